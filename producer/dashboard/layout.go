package dashboard

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/producer/gateway/manage"
)

//go:embed templates
var templates embed.FS

//go:embed assets
var assets embed.FS

// layout has the templates: one set for each page, of its own file, layout.html and parts.html.
type layout struct{ pages map[string]*template.Template }

func newLayout(showContent bool) (*layout, error) {
	l := &layout{pages: map[string]*template.Template{}}
	funcs := template.FuncMap{}
	maps.Copy(funcs, words)
	m := mask{shown: showContent}
	funcs["recipient"], funcs["content"] = m.id, m.text
	base, err := template.New("").Funcs(funcs).ParseFS(templates, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		t, err := base.Clone()
		if err == nil {
			_, err = t.ParseFS(templates, file)
		}
		if err != nil {
			return nil, err
		}
		l.pages[strings.TrimSuffix(path.Base(file), ".html")] = t
	}
	return l, nil
}

// frame is what every template gets. Within a range or a with, $ is it.
type frame struct {
	Root        string // leads to /lineq/
	Nav         []entry
	Current     string // the path of the entry that the page belongs to
	Who         string // the name of the visitor's key; empty: nobody has logged in
	MaySend     bool
	MayOperate  bool
	ShowContent bool
	Said        string // what the last action did
	Live        bool   // the page follows what happens
	Now         time.Time
	Data        any // of the page
}

// frame is that of a visit's page.
func (d *Dashboard) frame(v *visit, current string, data any) *frame {
	f := &frame{
		Root: v.Root, Current: current, Who: v.Key.Name, MaySend: v.May(manage.Send), MayOperate: v.May(manage.Operate),
		ShowContent: d.cfg.ShowContent, Now: time.Now(), Data: data,
	}
	if f.Who != "" {
		f.Nav, f.Said = d.nav, d.says[v.URL.Query().Get("said")]
	}
	return f
}

// render writes a whole page, or none of it.
func (d *Dashboard) render(w http.ResponseWriter, status int, name string, f *frame) {
	var b bytes.Buffer
	if err := d.layout.pages[name].ExecuteTemplate(&b, "layout.html", f); err != nil {
		d.cfg.Log.Error("a page of the dashboard can't be rendered", zap.String("page", name), zap.Error(err))
		http.Error(w, "This page can't be rendered. It is a mistake of lineq's; its log says more.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept, Cookie")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// fragments renders the live parts of a page.
func (d *Dashboard) fragments(p *page, f *frame) (map[string]string, error) {
	all := map[string]string{}
	for _, name := range p.live {
		var b strings.Builder
		if err := d.layout.pages[p.template].ExecuteTemplate(&b, name, f); err != nil {
			return nil, err
		}
		all[name] = b.String()
	}
	return all, nil
}

// errElsewhere makes a page's load lead to another one, by a path below root.
type errElsewhere struct{ to string }

func (e errElsewhere) Error() string { return "see " + e.to }

// showPage answers with the page, or with what happens on it to who asks for events.
func (d *Dashboard) showPage(p *page) func(http.ResponseWriter, *http.Request, *visit) {
	return func(w http.ResponseWriter, r *http.Request, v *visit) {
		if wantsEvents(r) {
			d.hub.serve(w, r, v, p)
			return
		}
		data, err := within(r.Context(), func(ctx context.Context) (any, error) { return p.load(ctx, v) })
		var elsewhere errElsewhere
		switch {
		case errors.As(err, &elsewhere):
			goTo(w, v.Root+elsewhere.to)
			return
		case err != nil:
			d.fail(w, v, err)
			return
		}
		f := d.frame(v, p.nav, data)
		f.Live = p.follows(v)
		d.render(w, http.StatusOK, p.template, f)
	}
}

// assetTypes are those of the files in assets; what a system's tables say about them differs.
var assetTypes = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	b, err := assets.ReadFile("assets/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", assetTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "no-cache") // a new version is seen at once
	w.Header().Set("ETag", `"`+assetTags[name]+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

// assetTags tell versions of the files apart.
var assetTags = func() map[string]string {
	tags := map[string]string{}
	files, _ := assets.ReadDir("assets")
	for _, f := range files {
		b, _ := assets.ReadFile("assets/" + f.Name())
		tags[f.Name()] = fmt.Sprintf("%x", sum(b))
	}
	return tags
}()
