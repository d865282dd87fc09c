-- The server's time.
-- Whatever key it is given: in a cluster, the node that serves it is asked.
-- Returns {Unix seconds, microseconds}
return redis.call('TIME')
