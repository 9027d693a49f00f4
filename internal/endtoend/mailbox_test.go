package endtoend_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nylastrack/nylas-go"
)

// A program looks before it sends whether the grant is an Agent Account, and goes
// through all grants.
func TestLoopGrants(t *testing.T) {
	inLoop(t, func(t *testing.T, l *loop) {
		ctx := t.Context()
		want := []string{l.nylas.AddAgentAccount("News", "news@mail.acme.dev")}
		for i := range 23 {
			want = append(want, l.nylas.AddGrant("Kim", fmt.Sprintf("kim-%d@example.org", i)))
		}
		agent, err := l.client.Grants.Get(ctx, "news@mail.acme.dev")
		require.NoError(t, err)
		assert.Equal(t, want[0], agent.ID)
		assert.Equal(t, nylas.ProviderAgentAccount, agent.Provider)
		assert.Equal(t, nylas.GrantValid, agent.GrantStatus)
		_, err = l.client.Grants.Get(ctx, "unknown")
		require.ErrorIs(t, err, nylas.ErrNotFound)

		for _, size := range []int{0, 4, 200} { // 24 grants and the first one
			var got []string
			for grant, err := range l.client.Grants.List(ctx, &nylas.ListGrantsRequest{PageSize: size, OldestFirst: true, Offset: 1}) {
				require.NoError(t, err)
				got = append(got, grant.ID)
			}
			assert.Equal(t, want, got)
		}
		agents := collect(t, l.client.Grants.List(ctx, &nylas.ListGrantsRequest{Provider: nylas.ProviderAgentAccount}))
		require.Len(t, agents, 1)
		assert.Equal(t, agent, agents[0])
	})
}
