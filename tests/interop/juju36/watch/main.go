// Command watch follows a controller with Juju 3.6.11's own client of AllModelWatcher, and prints each set of changes as a line of JSON.
//
//	watch -addr HOST:PORT -ca FILE [-user admin] -password P
//
// It ends once its standard input ends: then it stops the watcher, and prints `{"stopped": true}`.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/juju/errors"
	"github.com/juju/names/v5"

	"github.com/juju/juju/api"
	"github.com/juju/juju/api/controller/controller"
	"github.com/juju/juju/rpc/params"
)

var (
	addr     = flag.String("addr", "", "the controller's host:port")
	caFile   = flag.String("ca", "", "the controller's CA certificate, PEM")
	user     = flag.String("user", "admin", "the user")
	password = flag.String("password", "", "the password")
)

// change is a delta as Juju's own types have read it.
type change struct {
	Kind    string            `json:"kind"`
	ID      string            `json:"id"`
	Model   string            `json:"model"`
	Removed bool              `json:"removed"`
	Entity  params.EntityInfo `json:"entity"`
}

func main() {
	flag.Parse()
	if err := run(json.NewEncoder(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, "watch:", err)
		os.Exit(1)
	}
}

func run(out *json.Encoder) error {
	ca, err := os.ReadFile(*caFile)
	if err != nil {
		return errors.Trace(err)
	}
	info := &api.Info{Addrs: []string{*addr}, CACert: string(ca), Tag: names.NewUserTag(*user), Password: *password}
	conn, err := api.Open(info, api.DialOpts{Timeout: 10 * time.Second, RetryDelay: 100 * time.Millisecond})
	if err != nil {
		return errors.Trace(err)
	}
	defer func() { _ = conn.Close() }()
	watcher, err := controller.NewClient(conn).WatchAllModels()
	if err != nil {
		return errors.Trace(err)
	}
	failed := make(chan error, 1)
	go func() {
		for {
			deltas, err := watcher.Next()
			if err != nil {
				failed <- err
				return
			}
			changes := []change{}
			for _, delta := range deltas {
				id := delta.Entity.EntityId()
				changes = append(changes, change{id.Kind, id.Id, id.ModelUUID, delta.Removed, delta.Entity})
			}
			_ = out.Encode(changes)
		}
	}()
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case err := <-failed:
		return errors.Trace(err)
	case <-ended:
	}
	if err := watcher.Stop(); err != nil {
		return errors.Trace(err)
	}
	// The call that waits ends with the watcher.
	if err := <-failed; !params.IsCodeStopped(err) {
		return errors.Annotate(err, "after the end")
	}
	return out.Encode(map[string]bool{"stopped": true})
}
