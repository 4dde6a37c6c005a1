package generations

// Kind names what happened in an event. Users may append kinds of their own.
type Kind string

// The kinds of events in the history.
const (
	KindBoot             Kind = "boot"              // a process began to serve a release
	KindDeploy           Kind = "deploy"            // a plugin's image was replaced by another
	KindRefuse           Kind = "refuse"            // an image was refused
	KindRollback         Kind = "rollback"          // a plugin was rolled back to an earlier image
	KindConfirm          Kind = "confirm"           // a release passed its probation
	KindQuarantine       Kind = "quarantine"        // an image was put into quarantine
	KindLift             Kind = "lift"              // an image's quarantine was lifted
	KindLeaveOut         Kind = "leave out"         // a plugin was left out of a boot
	KindCrash            Kind = "crash"             // a worker crashed, and this is who is blamed
	KindHandover         Kind = "handover"          // a new worker took over
	KindCheckpoint       Kind = "checkpoint"        // a plugin's checkpoint was written; the history has it only after one that failed
	KindCheckpointFailed Kind = "checkpoint failed" // a checkpoint could not be written, the first time since one was, or not be read
)

// The kinds of events that happen too often for the history, or whose outcome it has.
const (
	KindReload           Kind = "reload"               // a plugin gets another image, To, unless it is refused
	KindPhase            Kind = "phase"                // the phase of a reload began that Detail names; without a plugin, of a handover
	KindFlip             Kind = "flip"                 // from here on calls run in To
	KindAbandon          Kind = "abandon"              // a reload ended, and To isn't to blame; Detail says why
	KindDefer            Kind = "defer"                // a reload goes on in a handover; Detail says why
	KindRetire           Kind = "retire"               // the generation From was closed, after its last call
	KindTriggerFailed    Kind = "trigger failed"       // a trigger's call failed for the first time since one succeeded
	KindTriggerDisabled  Kind = "trigger disabled"     // a trigger was disabled after an error
	KindPanic            Kind = "panic"                // a plugin panicked in a request; at most one each second and plugin is told
	KindCutOff           Kind = "cut off"              // requests were cut off that held up a reload or a handover; Detail names them
	KindHandoverBegins   Kind = "handover begins"      // a new worker is to take over
	KindHandoverFailed   Kind = "handover failed"      // the old worker serves on
	KindWorkerServes     Kind = "worker serves"        // a worker has booted and serves
	KindWorkerDied       Kind = "worker died"          // a worker ended without being told to; KindCrash follows
	KindConfiguration    Kind = "configuration"        // a configuration was read and is served
	KindConfigFailed     Kind = "configuration failed" // a configuration was not taken up
	KindProgramConfirmed Kind = "program confirmed"    // a new program of the server passed its probation
	KindProgramFailed    Kind = "program failed"       // a new program's worker died in its probation
	KindCertificate      Kind = "certificate"          // a listener's certificate was read again
	KindCertFailed       Kind = "certificate failed"   // what is in its files was not taken up
	KindStop             Kind = "stop"                 // the server was told to stop
	KindBuild            Kind = "build"                // `sohost dev` has built a plugin
	KindBuildFailed      Kind = "build failed"         // `sohost dev` could not build a plugin
)

// Kinds returns all kinds that the server itself uses.
func Kinds() []Kind {
	return []Kind{
		KindBoot, KindDeploy, KindRefuse, KindRollback, KindConfirm, KindQuarantine, KindLift, KindLeaveOut, KindCrash, KindHandover,
		KindCheckpoint, KindCheckpointFailed,
		KindReload, KindPhase, KindFlip, KindAbandon, KindDefer, KindRetire, KindTriggerFailed, KindTriggerDisabled, KindPanic, KindCutOff, KindHandoverBegins,
		KindHandoverFailed, KindWorkerServes, KindWorkerDied, KindConfiguration, KindConfigFailed, KindProgramConfirmed, KindProgramFailed,
		KindCertificate, KindCertFailed, KindStop, KindBuild, KindBuildFailed,
	}
}
