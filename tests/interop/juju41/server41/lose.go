package main

import (
	"context"
	"sync/atomic"

	"github.com/juju/errors"
	"github.com/juju/worker/v5"

	"github.com/juju/juju/api"
	"github.com/juju/juju/internal/worker/migrationmaster"
)

// With -lose METHOD the first reply of a migration's target to a call of MigrationTarget does not arrive: the call was made, and the
// master is told that its connection has ended.

// hasLost says whether the reply was lost already.
var hasLost atomic.Bool

type lossy struct{ api.Connection }

func newMaster(config migrationmaster.Config) (worker.Worker, error) {
	open := config.APIOpen
	config.APIOpen = func(ctx context.Context, info *api.Info, options api.DialOpts) (api.Connection, error) {
		conn, err := open(ctx, info, options)
		if err != nil || *lose == "" {
			return conn, err
		}
		return lossy{conn}, nil
	}
	return migrationmaster.NewWorker(config)
}

func (l lossy) APICall(ctx context.Context, facade string, version int, id, method string, args, response any) error {
	err := l.Connection.APICall(ctx, facade, version, id, method, args, response)
	if err == nil && facade == "MigrationTarget" && method == *lose && hasLost.CompareAndSwap(false, true) {
		return errors.New("connection is shut down")
	}
	return err
}
