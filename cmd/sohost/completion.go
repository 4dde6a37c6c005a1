package main

import (
	"time"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

// completeWithin is how long somebody who presses the tab key waits for the server at most.
const completeWithin = time.Second

// toComplete returns a client that answers soon or not at all, and says nothing.
func (server clientFunc) toComplete() (*control.Client, error) {
	client, err := server()
	if err != nil {
		return nil, err
	}
	client.Patience = control.Patience{Answer: completeWithin}
	return client, nil
}

// completeImages completes names of image files.
func completeImages(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return []cobra.Completion{"so"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeDirectories completes names of directories.
func completeDirectories(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completePlugins completes names of the server's plugins.
func completePlugins(server clientFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		client, err := server.toComplete()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		s, err := client.Brief(cmd.Context())
		if err != nil { // no server, no names
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, p := range s.Plugins {
			names = append(names, p.Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeQuarantined completes ids of images in quarantine.
func completeQuarantined(server clientFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		client, err := server.toComplete()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		qs, _ := client.Quarantines(cmd.Context()) // no server, no ids
		var ids []cobra.Completion
		for _, q := range qs {
			ids = append(ids, cobra.CompletionWithDesc(q.Image.Short(), q.Plugin))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeTriggers completes names of triggers.
func completeTriggers(server clientFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		client, err := server.toComplete()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, _ := client.Triggers(cmd.Context()) // no server, no names
		var names []cobra.Completion
		for _, t := range all {
			names = append(names, cobra.CompletionWithDesc(t.Plugin+"/"+t.Name, t.Spec))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
