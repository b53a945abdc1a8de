# A Ruby program that knows nothing of remat: it pushes jobs with Sidekiq's own client and prints their ids.
require "sidekiq"

Sidekiq.configure_client { |config| config.redis = { url: ENV.fetch("REDIS_URL") } }

module MatViews
  class RefreshViewJob
    include Sidekiq::Worker
    sidekiq_options queue: "views"
  end
end

puts MatViews::RefreshViewJob.perform_async(7, "exact")
puts Sidekiq::Client.push("class" => "MatViews::CreateViewJob", "args" => [7, { "force" => true }], "queue" => "views")
Sidekiq::Client.push_bulk("class" => MatViews::RefreshViewJob, "args" => [[8], [9]]).each { |jid| puts jid }
# What Rails pushes for `MatViews::RefreshViewJob.perform_later(7, row_count_strategy: :exact)`.
puts Sidekiq::Client.push(
  "class" => "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper", "wrapped" => "MatViews::RefreshViewJob",
  "queue" => "views", "args" => [{
    "job_class" => "MatViews::RefreshViewJob", "job_id" => "4cf1a3b4-5bbe-4a4f-8b6c-5d3e1a3e9d11",
    "queue_name" => "views", "arguments" => [7, {
      "row_count_strategy" => { "_aj_serialized" => "ActiveJob::Serializers::SymbolSerializer", "value" => "exact" },
      "_aj_ruby2_keywords" => ["row_count_strategy"]
    }]
  }]
)
