package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"
)

// redisHelp is the part of a command's help about the URL.
const redisHelp = `A Redis URL is one of these; rediss-sentinel:// and rediss-cluster:// are those with TLS:

    redis://user:password@host:6379/0
    rediss://user:password@host:6380?ca=/etc/ssl/redis.pem
    unix://user:password@/run/redis.sock?db=0
    redis-sentinel://user:password@host1:26379,host2:26379/master-name/0
    redis-cluster://user:password@host1:6379,host2:6379

User and password are those of Redis; the sentinels' own are ?sentinel_username= and ?sentinel_password=. With TLS, ca names
a file with certificates to trust instead of the system's, cert and key name those that Redis wants of its clients, and
server_name is the name that all nodes' certificates have: else it is the host's where the URL has one, and each node's own
address where it has several. Timeouts and the size of the pool are set by go-redis's names, as ?read_timeout=5s.`

// redisURL is a Redis URL in its parts. go-redis's own URLs tell neither Sentinel nor Cluster from a single Redis. The
// schemes are those of asynq and of Java's Lettuce; a plus in place of the hyphen is what Python's and Gitea's have.
type redisURL struct {
	kind  string // "", sentinel or cluster
	tls   bool
	hosts []string // empty for a unix socket
	url   *url.URL // as go-redis reads it, with the first host
}

// parseRedis reads a Redis URL. Its errors never quote the URL: it may hold a password.
func parseRedis(rawURL string) (*redis.UniversalOptions, error) {
	u, err := splitRedis(rawURL)
	if err != nil {
		return nil, err
	}
	q := u.url.Query()
	take := func(name string) string {
		defer q.Del(name)
		return q.Get(name)
	}
	master := cmp.Or(take("master_name"), take("master")) // as go-redis and asynq have it
	if first, rest, _ := strings.Cut(strings.Trim(u.url.Path, "/"), "/"); u.kind == "sentinel" && master == "" {
		master, u.url.Path = first, "/"+rest
	}
	sentinelUser, sentinelPassword := take("sentinel_username"), take("sentinel_password")
	files := tlsFiles{ca: take("ca"), cert: take("cert"), key: take("key"), serverName: take("server_name")}
	u.url.RawQuery = q.Encode()
	o, err := redis.ParseURL(u.url.String())
	switch {
	case err != nil:
		return nil, misuse(marked{err, errRedisURL})
	case u.kind == "sentinel" && master == "":
		return nil, misuse(errNoMaster)
	case u.kind != "sentinel" && (master != "" || sentinelUser != "" || sentinelPassword != ""):
		return nil, redisURLError("only a URL that begins with redis-sentinel:// has a master and sentinels")
	case u.kind == "cluster" && o.DB != 0:
		return nil, redisURLError("a Redis Cluster has no databases but 0")
	case !u.tls && files != tlsFiles{}:
		return nil, redisURLError("ca, cert, key and server_name are for a URL with TLS, which begins with rediss")
	case u.tls:
		if len(u.hosts) > 1 {
			o.TLSConfig.ServerName = "" // each node by its own
		}
		if err := files.apply(o.TLSConfig); err != nil {
			return nil, err
		}
	}
	if len(u.hosts) == 0 {
		u.hosts = []string{o.Addr}
	}
	return &redis.UniversalOptions{
		Addrs: u.hosts, MasterName: master, IsClusterMode: u.kind == "cluster", DB: o.DB,
		Username: o.Username, Password: o.Password, SentinelUsername: sentinelUser, SentinelPassword: sentinelPassword,
		TLSConfig: o.TLSConfig, Protocol: o.Protocol, ClientName: o.ClientName,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
		MaxRetries: o.MaxRetries, MinRetryBackoff: o.MinRetryBackoff, MaxRetryBackoff: o.MaxRetryBackoff,
		PoolSize: o.PoolSize, PoolFIFO: o.PoolFIFO, PoolTimeout: o.PoolTimeout, MinIdleConns: o.MinIdleConns,
		MaxIdleConns: o.MaxIdleConns, MaxActiveConns: o.MaxActiveConns, ConnMaxIdleTime: o.ConnMaxIdleTime,
		ConnMaxLifetime: o.ConnMaxLifetime,
	}, nil
}

// splitRedis takes apart what net/url doesn't: several hosts. An @, or a # at all, behind the hosts is of a password whose
// special characters aren't escaped: nothing of such a URL may come into an error.
func splitRedis(rawURL string) (redisURL, error) {
	scheme, rest, found := strings.Cut(rawURL, "://")
	base, kind, _ := strings.Cut(strings.Replace(scheme, "+", "-", 1), "-")
	switch strings.Replace(scheme, "+", "-", 1) {
	case "redis", "rediss", "unix", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster":
	default:
		found = false
	}
	if !found {
		return redisURL{}, misuse(errRedisURL)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	at := strings.LastIndex(authority, "@") + 1
	all := strings.Split(authority[at:], ",")
	u, err := url.Parse(base + "://" + authority[:at] + all[0] + tail)
	if err != nil || strings.ContainsAny(tail, "@#") {
		return redisURL{}, redisURLError("the Redis URL can't be read")
	}
	r := redisURL{kind: kind, tls: base == "rediss", url: u}
	switch {
	case base == "unix":
		return r, nil
	case len(all) > 1 && kind == "":
		return redisURL{}, redisURLError("a single Redis has one host; several are of redis-sentinel:// or redis-cluster://")
	}
	port := "6379"
	if kind == "sentinel" {
		port = "26379"
	}
	for _, h := range all {
		one, err := url.Parse("//" + h)
		if err != nil || one.Hostname() == "" && len(all) > 1 {
			return redisURL{}, redisURLError("the hosts of the Redis URL can't be read")
		}
		r.hosts = append(r.hosts, net.JoinHostPort(cmp.Or(one.Hostname(), "localhost"), cmp.Or(one.Port(), port)))
	}
	return r, nil
}

func redisURLError(format string, args ...any) error {
	return misuse(marked{fmt.Errorf(format, args...), errRedisURL})
}

// tlsFiles are the files of a Redis URL with TLS, and the name that the certificates have.
type tlsFiles struct{ ca, cert, key, serverName string }

func (f tlsFiles) apply(c *tls.Config) error {
	if f.serverName != "" {
		c.ServerName = f.serverName
	}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return fileError(f.ca, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return misusef("%s: it has no certificate in PEM form", f.ca)
		}
	}
	if (f.cert == "") != (f.key == "") {
		return redisURLError("cert and key of the Redis URL belong together")
	}
	if f.cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return misuse(fmt.Errorf("cert and key of the Redis URL: %w", err))
	}
	c.Certificates = []tls.Certificate{pair}
	return nil
}

// redisName is what may be shown of a Redis: where it is, and nothing of who may enter. It is empty for a URL that
// parseRedis refuses.
func redisName(rawURL string) string {
	o, err := parseRedis(rawURL)
	if err != nil {
		return ""
	}
	return nameOf(o)
}

func nameOf(o *redis.UniversalOptions) string {
	name := strings.Join(o.Addrs, ",")
	if o.MasterName != "" {
		name += "/" + o.MasterName
	}
	if o.DB == 0 {
		return name
	}
	return fmt.Sprintf("%s/%d", name, o.DB)
}

var errNoMaster = errors.New("the Redis URL doesn't name the sentinels' master")
