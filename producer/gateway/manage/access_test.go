package manage_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer/gateway/manage"
)

// TestSetAccess changes the keys and the channels that LINE can be asked about.
func TestSetAccess(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	get := func(key, path string) int { return s.ask(t, key, http.MethodGet, path, "").status }
	require.Equal(t, http.StatusOK, get("reader", "/channels/default/quota"))

	require.Error(t, s.SetAccess([]manage.Key{keyFor("next", "reed")}, nil))
	assert.Equal(t, http.StatusOK, get("reader", "/channels/default/quota"), "a wrong key changes nothing")

	require.NoError(t, s.SetAccess([]manage.Key{keyFor("next", manage.Read)}, map[string]*lineapi.Client{"shop": s.client}))
	assert.Equal(t, http.StatusUnauthorized, get("reader", "/channels/shop/quota"))
	assert.Equal(t, http.StatusOK, get("next", "/channels/shop/quota"))
	assert.Equal(t, http.StatusNotFound, get("next", "/channels/default/quota"))
}
