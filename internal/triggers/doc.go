// Package triggers calls plugins: at set times, and with rows as they are written. A trigger is a plugin, a spec that says when it
// fires, and arguments. Each has one queue, and one call at a time.
//
// It knows neither HTTP nor how plugins are loaded. It calls a plugin through a function of its owner's, which lends the instance that
// serves; so a call runs wholly in one generation, and waits while the plugin's state moves. Triggers of requests only stand in the
// list, with their counters: their owner calls the plugin.
//
// What must outlast the process is in one folder: state.json has the triggers that were added by command, which are disabled, and up to
// where each has come; letters/PLUGIN/TRIGGER has what could not be delivered.
package triggers
