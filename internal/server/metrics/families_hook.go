package metrics

import "github.com/sohost/sohost/internal/server/hooks"

// perHook returns a family with one sample for each hook.
func perHook(name, kind, help string, of func(h *hooks.Status) float64) family {
	return family{name, kind, help, func(s *status, add func(float64, ...string)) {
		for _, h := range s.Hooks {
			add(of(&h), "hook", h.Name)
		}
	}}
}

var ofHooks = []family{
	perHook("sohost_hook_delivered_total", "counter", "Events that the hook has taken.", func(h *hooks.Status) float64 { return float64(h.Delivered) }),
	perHook("sohost_hook_failed_total", "counter", "Events that the hook has not taken in any attempt.", func(h *hooks.Status) float64 { return float64(h.Failed) }),
	perHook("sohost_hook_missed_total", "counter", "Events that were not kept until the hook had time.", func(h *hooks.Status) float64 { return float64(h.Missed) }),
	perHook("sohost_hook_failing", "gauge", "Whether its last attempt has failed.", func(h *hooks.Status) float64 { return truth(h.Error != "") }),
}
