package worker_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/worker"
)

func TestRedisOptions(t *testing.T) {
	for name, c := range map[string]struct {
		options   redis.UniversalOptions
		onCluster bool
	}{
		"one":                    {redis.UniversalOptions{Addrs: []string{"a"}}, false},
		"sentinels":              {redis.UniversalOptions{Addrs: []string{"a", "b"}, MasterName: "m"}, false},
		"a Cluster of many":      {redis.UniversalOptions{Addrs: []string{"a", "b"}}, true},
		"a Cluster by its entry": {redis.UniversalOptions{Addrs: []string{"a"}, IsClusterMode: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := worker.RedisOptions(&c.options)
			if c.onCluster {
				assert.Equal(t, []int{-1, 40}, []int{o.MaxRetries, o.MaxRedirects}, "a node that is dead is not asked again and again")
			} else {
				assert.Equal(t, []int{40, 0}, []int{o.MaxRetries, o.MaxRedirects})
			}
			_, isCluster := redis.NewUniversalClient(o).(*redis.ClusterClient)
			assert.Equal(t, c.onCluster, isCluster, "as go-redis sees it")
		})
	}
}
