package integration

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/server/control"
)

// TestKillBlame has five plugins end the worker in every way, one after the other, while another one is deployed again and again
// and others serve. The right image must be blamed nearly each time, unless the worker was killed while another image
// was in a call, and an innocent one never.
func TestKillBlame(t *testing.T) {
	if testing.Short() {
		t.Skip("TestCrashes has each way once; make kills runs this, which takes a minute of pauses between crashes")
	}
	if *arm64 {
		t.Skip("the limit on its memory would be the emulator's, which needs more; natively it runs")
	}
	b := newBlameServer(t)
	stop := b.deployAgainAndAgain()
	defer stop()
	clients := startClients(posting(2, b.url+"/hello", b.url+"/counter")...)
	defer clients.end()
	goActions := []string{"exit now", "kill now", "stack", "memory"}
	right, rounds := 0, 20
	for i := range rounds {
		plugin, action := fmt.Sprint("p", i%5), goActions[(i+i/5)%len(goActions)]
		if plugin == "p4" {
			action = []string{"abort", "fault"}[i/5%2]
		}
		crashed := b.crash(plugin, action)
		t.Logf("%s, %s: blamed is %q, evidence %s: %s", plugin, action, crashed.Plugin, crashed.Evidence, crashed.Detail)
		switch crashed.Plugin {
		case plugin:
			right++
		case "":
			if action == "kill now" && strings.Contains(crashed.Detail, "images were in calls") { // nothing tells them apart
				right++
			}
		default:
			t.Errorf("%s was blamed for what %s did (%s): %s", crashed.Plugin, plugin, action, crashed.Detail)
		}
		b.mend(plugin)
	}
	if right < rounds-1 {
		t.Errorf("of %d crashes %d were blamed on the right image, want all but one", rounds, right)
	}
}

// blameServer is a server with plugins p0 to p4 that end the worker when they are told to.
type blameServer struct {
	*crashServer
	images map[string]string
	other  *cloner // of a plugin that is deployed again and again
}

func newBlameServer(t *testing.T) *blameServer {
	c := newCrashImages(t)
	crashers := newCloner(t, c.first, "example.com/crasher")
	b := &blameServer{crashServer: newCrashServer(t), images: map[string]string{
		"hello": c.hello, "counter": c.counter, "p0": c.first, "p1": crashers.clone(t), "p2": crashers.clone(t), "p3": crashers.clone(t),
		"p4": newSourceOf(t, "ccrasher", filepath.Join("testdata", "ccrasher")).build(),
	}}
	b.other = newCloner(t, c.hello, "example.com/hello")
	args := []string{"--probation", "1h", "--plugin", "other=" + b.other.clone(t)}
	for plugin, image := range b.images {
		args = append(args, "--plugin", plugin+"="+image)
	}
	b.daemon = b.place.start(t, args...)
	return b
}

// deployAgainAndAgain deploys one image after the other of a plugin that does nothing wrong, until stop is called.
func (b *blameServer) deployAgainAndAgain() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	images := []string{b.other.clone(b.t), b.other.clone(b.t)}
	var deploying sync.WaitGroup
	deploying.Go(func() {
		for i := 0; ctx.Err() == nil; i++ { // a deploy over which the worker dies fails
			b.client.Deploy(ctx, control.DeployRequest{Images: map[string]string{"other": images[i%2]}})
		}
	})
	return func() { cancel(); deploying.Wait() }
}

// crash has a plugin end the worker, and returns what the next one has found out about that.
func (b *blameServer) crash(plugin, action string) generations.Event {
	b.t.Helper()
	mark := b.mark()
	b.request("/" + plugin + "?do=" + strings.ReplaceAll(action, " ", "+"))
	b.awaitWorkerAfter(mark, isDeath)
	var last generations.Event
	for _, e := range history(b.t, b.daemon) {
		if e.Kind == generations.KindCrash {
			last = e
		}
	}
	return last
}

// mend lets every plugin serve again.
func (b *blameServer) mend(guilty string) {
	b.t.Helper()
	status := b.serving()
	for _, q := range status.Quarantine {
		if q.Plugin != guilty {
			b.t.Errorf("in quarantine is %s of %s, which did nothing: %s", q.Image.Short(), q.Plugin, q.Reason)
		}
		cli(b.t, "quarantine", "--control", b.place.control, "--lift", q.Image.String())
	}
	for _, p := range status.Plugins {
		if image := b.images[p.Name]; p.Generation.IsZero() && image != "" {
			if err := b.deploy(p.Name, image); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}
