package asynqdash

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"path"
	"regexp"
	"strings"
)

// index is asynqmon's one page, without what it loads from elsewhere, and for whatever path a proxy puts before it.
type index struct {
	page   []byte
	root   string
	policy string // Content-Security-Policy
}

var (
	outside = regexp.MustCompile(`<link[^>]+href="https?://[^>]*>`)
	inline  = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
	linked  = regexp.MustCompile(`(href|src)="/`)
)

// rootMark stands in the page for the way to the root, which differs from path to path.
const rootMark = "[lineq-root]"

func newIndex(asynqmon http.Handler, root string) (*index, error) {
	r, err := http.NewRequest(http.MethodGet, root+"/", nil)
	if err != nil {
		return nil, err
	}
	var got page
	asynqmon.ServeHTTP(&got, r)
	html := outside.ReplaceAllString(got.String(), "")
	// Scripts ask the browser where they are.
	escaped := strings.ReplaceAll(root, "/", `\/`)
	html = strings.ReplaceAll(html, `"`+escaped+`/"`, `lineqRoot+"/"`)
	html = strings.ReplaceAll(html, `"`+escaped+`"`, `lineqRoot`)
	html = linked.ReplaceAllStringFunc(html, func(s string) string { return strings.TrimSuffix(s, "/") + rootMark })
	html = strings.ReplaceAll(html, rootMark+strings.TrimPrefix(root, "/"), rootMark)
	html = strings.Replace(html, "<script>", `<script>var lineqRoot=location.pathname.slice(0,location.pathname.indexOf("`+
		escaped+`"))+"`+escaped+`";</script><script>`, 1)
	if strings.Count(html, "lineqRoot") < 3 || strings.Count(html, rootMark) < 4 || strings.Contains(html, "https://") {
		return nil, errors.New("asynqdash: this asynqmon's page isn't the one that is known")
	}
	policy := "default-src 'none'; connect-src 'self'; img-src 'self' data:; manifest-src 'self'; style-src 'unsafe-inline'; " +
		"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; script-src 'self'"
	for _, script := range inline.FindAllStringSubmatch(html, -1) {
		sum := sha256.Sum256([]byte(script[1]))
		policy += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return &index{[]byte(html), root, policy}, nil
}

func (i *index) serve(w http.ResponseWriter, r *http.Request) {
	deep := strings.Count(strings.TrimPrefix(r.URL.EscapedPath(), i.root+"/"), "/")
	way := "./" + strings.Repeat("../", deep)
	if r.URL.Path == i.root {
		way = "./" + path.Base(i.root) + "/"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(bytes.ReplaceAll(i.page, []byte(rootMark+"/"), []byte(way)))
}

// page keeps an answer.
type page struct {
	bytes.Buffer
	header http.Header
	status int
}

func (p *page) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}

func (p *page) WriteHeader(status int) { p.status = status }

// send passes the answer on, with another body.
func (p *page) send(w http.ResponseWriter, body []byte) {
	if as := p.Header().Get("Content-Type"); as != "" {
		w.Header().Set("Content-Type", as)
	} else {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(cmp.Or(p.status, http.StatusOK))
	_, _ = w.Write(body)
}

// assetTypes are those of asynqmon's files; what it guesses itself is wrong for SVG.
var assetTypes = map[string]string{
	".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon",
	".json": "application/manifest+json",
}

// isAsset tells of a file beside the page. A queue or task may have a name like one, but those are deeper.
func isAsset(below string) bool {
	folder := path.Dir(below)
	return assetTypes[path.Ext(below)] != "" && (folder == "." || folder == "static/js" || folder == "static/media")
}

// typed puts its own type in the place of the one that asynqmon guesses.
type typed struct {
	http.ResponseWriter
	as string
}

func (t *typed) Write(b []byte) (int, error) {
	t.Header().Set("Content-Type", t.as)
	return t.ResponseWriter.Write(b)
}
