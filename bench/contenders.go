package main

import "github.com/sohost/sohost/bench/lane"

// A contender is one way to have code that can be replaced.
type contender struct {
	name   string
	link   string // of what it uses
	host   string // the program below hosts
	arg    string // for the host
	plugin *artefact
	crash  string // what a crash of the plugin ends
}

// An artefact is what a host loads.
type artefact struct {
	source string // the program below plugins; the interpreter takes the work itself
	wrap   bool   // whether source is put around the work
	build  func(b *builder, source, output string) error
	unique bool // whether each build has an identity that a process loads once, so that a changed byte doesn't make another
}

// contenders are in the order of the table. The first is what calls are compared with, and stock what reloads are.
var contenders = []contender{
	{name: "an atomic pointer", host: "guards", arg: "pointer"},
	{name: "sync.RWMutex", host: "guards", arg: "rwmutex"},
	{name: "xsync.RBMutex", link: "https://github.com/puzpuzpuz/xsync", host: "guards", arg: "rbmutex"},
	{name: "plugin.Open", host: stock, crash: "the server", plugin: &artefact{
		source: "stock", wrap: true, unique: true, build: goBuild(nil, "-buildmode=plugin"),
	}},
	{name: "sohost", host: "sohost", crash: "the server; `sohost run` restarts it", plugin: &artefact{
		source: "sohost", wrap: true, unique: true, build: sohostBuild,
	}},
	{name: "yaegi", link: "https://github.com/traefik/yaegi", host: "yaegi", crash: "the server", plugin: &artefact{}},
	{name: "wazero", link: "https://github.com/tetratelabs/wazero", host: "wazero", crash: "the call", plugin: &artefact{
		source: "wasm", wrap: true, build: goBuild([]string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}, "-buildmode=c-shared"),
	}},
	{name: "go-plugin, net/rpc", link: "https://github.com/hashicorp/go-plugin", host: "netrpc", crash: "the plugin", plugin: &artefact{
		source: "netrpc", wrap: true, build: goBuild(nil),
	}},
	{name: "go-plugin, gRPC", link: "https://github.com/hashicorp/go-plugin", host: "grpc", crash: "the plugin", plugin: &artefact{
		source: "grpc", wrap: true, build: goBuild(nil),
	}},
}

const stock = "stock"

// A task is what is measured of every contender.
type task struct {
	name  string
	order lane.Order
}

var tasks = []task{
	{"call", lane.Order{Do: "next", Cores: 1}},
	{"calls", lane.Order{Do: "next", Cores: 2}},
	{"count", lane.Order{Do: "count"}},
	{"http", lane.Order{Do: "http"}},
}
