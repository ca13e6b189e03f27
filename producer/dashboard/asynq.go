package dashboard

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/lineq/lineq/producer/dashboard/asynqdash"
	"github.com/lineq/lineq/producer/gateway/manage"
)

// asynqSection is asynq's own dashboard. What it changes needs the scope to operate.
func (d *Dashboard) asynqSection() section {
	return section{
		nav:    []entry{{"asynq/", "asynq"}},
		mounts: []mount{{"asynq", d.serveAsynq}, {"asynq/", d.serveAsynq}},
	}
}

// newAsynq makes it for those who may only read, and for those who may operate.
func (d *Dashboard) newAsynq() (err error) {
	cfg := asynqdash.Config{Redis: d.cfg.Redis, Root: root + "asynq", ShowContent: d.cfg.ShowContent, ReadOnly: true}
	if d.asynqToRead, err = asynqdash.New(cfg); err != nil {
		return err
	}
	cfg.ReadOnly = false
	d.asynqToOperate, err = asynqdash.New(cfg)
	return err
}

func (d *Dashboard) serveAsynq(w http.ResponseWriter, r *http.Request, v *visit) {
	h := d.asynqToRead
	if v.May(manage.Operate) {
		h = d.asynqToOperate
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		d.cfg.Log.Info("asked of asynq's dashboard", zap.String("method", r.Method), zap.String("path", r.URL.Path),
			zap.String("by", v.Key.Name))
	}
	h.ServeHTTP(w, r)
}
