package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// lossInterval is the interval of checkpoints in TestKillsLoseLittle, and lossSlack what a checkpoint may come later: it waits for calls,
// is written, and the machine may be busy.
const (
	lossInterval = time.Second
	lossSlack    = 2 * time.Second
)

// acknowledged are the counts that clients were answered, with the moments.
type acknowledged struct {
	mu    sync.Mutex // guards times, counts
	times []time.Time
	most  []int64 // the highest count so far
}

func (a *acknowledged) note(body string) {
	n, _ := strconv.ParseInt(body, 10, 64)
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.most) > 0 {
		n = max(n, a.most[len(a.most)-1])
	}
	a.times, a.most = append(a.times, time.Now()), append(a.most, n)
}

// by returns the highest count that was answered by a moment.
func (a *acknowledged) by(moment time.Time) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, _ := slices.BinarySearchFunc(a.times, moment, time.Time.Compare)
	if i == 0 {
		return 0
	}
	return a.most[i-1]
}

// forget begins anew: after a loss the counts are lower.
func (a *acknowledged) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.times, a.most = nil, nil
}

// TestKillsLoseLittle kills the processes of a server at random moments, alone and together, while images are deployed, handovers
// run, and clients count. A kill costs at most what was answered since the last checkpoint, a handover nothing.
func TestKillsLoseLittle(t *testing.T) {
	t.Parallel()
	// The counter goes on where it was, so that what is lost can be counted. The probation is long: images deployed in a round
	// are young when it ends.
	k := &losses{loadedServer: startLoaded(t, time.Millisecond, "--checkpoints", lossInterval.String()), lost: map[string][]int64{}}
	counting := startClients(getting(k.url+"/counter", k.answered.note), getting(k.url+"/counter", k.answered.note))
	t.Cleanup(counting.end)
	k.clones = newCloner(t, filepath.Join(k.place.plugins, "counter.so"), "example.com/counter")
	for n := range max(*killCount, len(victims)) {
		k.round(victims[n%len(victims)])
	}
	for _, victim := range victims {
		name := strings.Join(victim, " and ")
		t.Logf("killed %s: %d times; counts lost: %v", name, len(k.lost[name]), k.lost[name])
	}
	t.Logf("%d images deployed, %d refused or cut off; %d handovers done, %d not", k.deployed, k.undeployed, k.handed, k.unhanded)
	counting.end()
	k.clients.end()
	k.terminate()
	checkLeftovers(t, k.place)
}

// victims are the processes to kill in one round.
var victims = [][]string{{"worker"}, {"supervisor"}, {"worker", "supervisor"}, {"workers"}, {"supervisor", "workers"}}

// losses are the rounds of TestKillsLoseLittle.
type losses struct {
	*loadedServer
	clones   *cloner
	answered acknowledged
	lost     map[string][]int64 // by victim

	deployed, undeployed, handed, unhanded int
}

// round deploys and hands over at the same time, kills at a random moment, and looks at what is left. Then it hands over once
// more, undisturbed, which must lose nothing.
func (k *losses) round(victim []string) {
	k.t.Helper()
	var running sync.WaitGroup
	client, image := k.client, k.clones.clone(k.t)
	running.Go(func() {
		if _, err := client.Deploy(patient(k.t), control.DeployRequest{Images: map[string]string{"counter": image}}); err != nil {
			k.undeployed++
		} else {
			k.deployed++
		}
	})
	k.pause(50 * time.Millisecond)
	running.Go(func() {
		if _, err := client.Handover(patient(k.t), control.HandoverRequest{Why: "test"}); err != nil {
			k.unhanded++
		} else {
			k.handed++
		}
	})
	k.pause(time.Second)
	killed := time.Now()
	restart := false
	workers := children(k.supervisor()) // which are nobody's children any more when that is dead
	for _, name := range victim {
		k.kills(name, workers)
		restart = restart || name == "supervisor"
	}
	running.Wait()
	if restart {
		k.awaitGone()
		k.start()
	}
	k.awaitService()
	k.settle(victim, killed)
	os.Remove(image)
}

// kills kills one process of the server, or all its workers.
func (k *losses) kills(name string, workers []int) {
	switch {
	case name == "supervisor":
		k.cmd.Process.Kill()
	case len(workers) == 0:
	case name == "worker":
		process(workers[k.rnd.IntN(len(workers))]).Kill()
	default:
		for _, pid := range workers {
			process(pid).Kill()
		}
	}
}

// settle compares what is counted with what was answered, and hands over.
func (k *losses) settle(victim []string, killed time.Time) {
	k.t.Helper()
	worker, _ := k.awaitOneWorker()
	most, must := k.answered.by(killed), k.answered.by(killed.Add(-lossInterval-lossSlack))
	n := k.total()
	if n < must {
		k.fatal("killed %v: %d calls were answered by then and %d in time for a checkpoint, and only %d are counted", victim, most, must, n)
	}
	name := strings.Join(victim, " and ")
	k.lost[name] = append(k.lost[name], max(0, most-n))
	k.check(worker)

	k.answered.forget()
	k.awaitService()
	before := k.answered.by(time.Now())
	k.handover()
	if after := k.total(); after < before {
		k.fatal("a handover has lost counts: %d before, %d after", before, after)
	}
	k.awaitOneWorker()
	k.counted.Store(0)
}

// total returns what is counted.
func (k *losses) total() int64 {
	k.t.Helper()
	total, _ := k.get("/counter/total")
	n, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		k.fatal("the counter answers %q", total)
	}
	return n
}
