// SPDX-License-Identifier: Apache-2.0

// applier - what the same objects cost a controller that is written with controller-runtime
//
//	applier [-workers N] <bodies
//
// Bodies are the floor's: path, a tab, the object's JSON. Each is a key of a channel source, as a
// controller gets them from what it watches; Reconcile applies that object by server-side apply.
// Prints its settings, and ends when every key has been applied. -workers is
// MaxConcurrentReconciles; client limits are what config.GetConfig leaves.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

const lineMax = 4 << 20 // above what an API server stores

type applier struct {
	client  client.Client
	objects map[client.ObjectKey]*unstructured.Unstructured
	left    atomic.Int64
	done    context.CancelFunc
}

func (a *applier) Reconcile(ctx context.Context, r ctrl.Request) (ctrl.Result, error) {
	object := client.ApplyConfigurationFromUnstructured(a.objects[r.NamespacedName].DeepCopy())
	err := a.client.Apply(ctx, object, client.FieldOwner("applier"), client.ForceOwnership)
	if err == nil && a.left.Add(-1) == 0 {
		a.done()
	}
	return ctrl.Result{}, err
}

func read() (map[client.ObjectKey]*unstructured.Unstructured, error) {
	objects := map[client.ObjectKey]*unstructured.Unstructured{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, lineMax)
	for lines.Scan() {
		_, text, _ := strings.Cut(lines.Text(), "\t")
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON([]byte(text)); err != nil {
			return nil, err
		}
		objects[client.ObjectKeyFromObject(object)] = object
	}
	return objects, lines.Err()
}

func run(limits *rest.Config, workers int) error {
	ctx, done := context.WithCancel(context.Background())
	defer done()
	objects, err := read()
	if err != nil {
		return err
	}
	m, err := ctrl.NewManager(limits, ctrl.Options{Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		return err
	}
	a := &applier{client: m.GetClient(), objects: objects, done: done}
	a.left.Store(int64(len(objects)))
	events := make(chan event.GenericEvent, len(objects))
	for _, object := range objects {
		events <- event.GenericEvent{Object: object}
	}
	c, err := controller.New("applier", m, controller.Options{Reconciler: a, MaxConcurrentReconciles: workers})
	if err != nil {
		return err
	}
	if err := c.Watch(source.Channel(events, &handler.EnqueueRequestForObject{})); err != nil {
		return err
	}
	return m.Start(ctx)
}

func main() {
	workers := flag.Int("workers", 1, "MaxConcurrentReconciles")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	limits, err := config.GetConfig()
	if err == nil {
		fmt.Printf("client QPS %g (-1: no limit), MaxConcurrentReconciles %d\n", limits.QPS, *workers)
		err = run(limits, *workers)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "applier:", err)
		os.Exit(1)
	}
}
