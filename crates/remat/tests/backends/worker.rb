# What a Sidekiq process loads to perform the runs that remat announces: it notes their ids.
require "sidekiq"

Sidekiq.configure_server { |config| config.redis = { url: ENV.fetch("REDIS_URL") } }

module Remat
  class RunJob
    include Sidekiq::Worker

    def perform(run_id)
      Sidekiq.redis { |redis| redis.rpush("performed", [run_id, jid, run_id.class].join(" ")) }
    end
  end
end
