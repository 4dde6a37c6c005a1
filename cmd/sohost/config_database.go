package main

import (
	"github.com/sohost/sohost/internal/query"
)

// bindDatabase returns the settings of one database that plugins can ask, stored in o. Those that aren't given stay zero: package query
// has the defaults.
func bindDatabase(o *query.Options) []setting {
	return []setting{
		{key: "kind", value: asText("kind", &o.Kind, ""), initial: "influx",
			help: "`influx`, or `prometheus` for Prometheus and what has its HTTP interface, such as VictoriaMetrics"},
		{key: "url", value: asText("URL", &o.URL, ""), initial: "required",
			help: "of the database, such as http://localhost:8181"},
		{key: "version", value: unset(asNumber(&o.Version, 3), &o.Version), initial: "required for influx",
			help: "of InfluxDB: 1 takes InfluxQL and Flux, 2 Flux and InfluxQL, 3 SQL and InfluxQL"},
		{key: "database", value: asText("text", &o.Database, ""), initial: "none",
			help: "the database or bucket of an InfluxDB that a question means which names none"},
		{key: "org", value: asText("text", &o.Org, ""), initial: "none",
			help: "the organisation of an InfluxDB, for Flux"},
		{key: "token", value: asText("text", &o.Token, ""), initial: "none",
			help: "the token that the database wants"},
		{key: "token_file", value: asPath("path", &o.TokenFile), initial: "none",
			help: "a file that has the token, read for each question"},
		{key: "timeout", value: unset(asDuration(&o.Timeout, query.DefaultTimeout), &o.Timeout),
			help: "how long an answer may take"},
		{key: "limit", value: unset(asBytes(&o.Limit, query.DefaultLimit), &o.Limit),
			help: "how large an answer may be"},
	}
}
