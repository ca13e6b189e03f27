// A page that is open follows what happens: the server sends those of its parts that have changed. Without this script it
// is as it was when it was loaded.
'use strict';

(() => {
  const status = document.getElementById('live');
  if (!status) return;

  let source;
  let away = false;
  const say = (text, state) => {
    if (status.textContent !== text) status.textContent = text;
    status.dataset.state = state;
  };

  // put replaces a part, and leaves the keyboard, open details and what was typed where they are.
  const put = (id, html) => {
    const part = document.getElementById(id);
    if (!part || part.dataset.html === html) return;
    const active = document.activeElement;
    const inside = part.contains(active) && active !== part;
    if (inside && /^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName)) return; // later, when it was left
    const selection = document.getSelection();
    if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return;
    const focused = inside ? active.id || active.getAttribute('href') : null;
    const open = new Set([...part.querySelectorAll('details[id][open]')].map((d) => d.id));
    const scrolled = [...part.querySelectorAll('.scroll')].map((e) => e.scrollLeft);
    part.innerHTML = html;
    part.dataset.html = html;
    part.querySelectorAll('details[id]').forEach((d) => { d.open = d.open || open.has(d.id); });
    part.querySelectorAll('.scroll').forEach((e, i) => { e.scrollLeft = scrolled[i] || 0; });
    if (focused) {
      const again = [...part.querySelectorAll('a, button, summary, [tabindex]')]
        .find((e) => e.id === focused || e.getAttribute('href') === focused);
      if (again) again.focus({ preventScroll: true });
    }
  };

  const start = () => {
    if (source) source.close();
    source = new EventSource(location.href.replace(/#.*/, ''));
    source.addEventListener('live', () => { if (!away) say('live', 'on'); });
    source.addEventListener('parts', (e) => {
      away = false;
      for (const [id, html] of Object.entries(JSON.parse(e.data))) put(id, html);
      say('live', 'on');
    });
    source.addEventListener('away', (e) => {
      away = true;
      say(JSON.parse(e.data) + ': what you see is old', 'off');
    });
    source.addEventListener('over', () => {
      source.close();
      say('no longer live: log in again', 'off');
    });
    source.onerror = () => {
      say('not live: trying to connect', 'off');
      if (source.readyState === EventSource.CLOSED) setTimeout(start, 5000);
    };
  };
  // A page that nobody sees need not be followed.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) source.close();
    else start();
  });
  start();

  // What the last action did isn't told again when the page is loaded again.
  const here = new URL(location.href);
  if (here.searchParams.has('said')) {
    here.searchParams.delete('said');
    history.replaceState(null, '', here);
  }
})();
