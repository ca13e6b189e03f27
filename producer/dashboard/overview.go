package dashboard

import "context"

func (d *Dashboard) overviewSection() section {
	return section{
		nav: []entry{{"", "Overview"}},
		pages: []page{{
			path: "{$}", template: "overview", live: []string{"figures"}, load: d.loadOverview,
		}},
	}
}

// overview is what the overview shows.
type overview struct {
	Waiting int64
}

func (d *Dashboard) loadOverview(ctx context.Context, _ *visit) (any, error) {
	queues, err := d.cfg.Producer.Queues(ctx)
	if err != nil {
		return nil, err
	}
	var o overview
	for _, q := range queues {
		o.Waiting += q.Pending
	}
	return o, nil
}
