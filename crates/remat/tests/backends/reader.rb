# What Sidekiq's own classes, which its pages are made of, say of a queue and of the dead; one JSON document.
require "sidekiq/api"

Sidekiq.configure_client { |config| config.redis = { url: ENV.fetch("REDIS_URL") } }

def told(job)
  { class: job.display_class, args: job.display_args, jid: job.jid, queue: job.queue,
    enqueued: job.enqueued_at.to_f, created: job.created_at.to_f, error: job["error_message"] }
end

puts JSON.generate(queues: Sidekiq::Queue.all.map(&:name), queue: Sidekiq::Queue.new("views").map { |job| told(job) },
                   dead: Sidekiq::DeadSet.new.map { |job| told(job) })
