// Command controlplane is the Kubernetes control plane that the tests run against: etcd,
// kube-apiserver, kube-controller-manager and kube-proxy in one program, chosen by its first
// argument and taking the flags of the real command of that name.
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
)

const usage = "usage: controlplane etcd|kube-apiserver|kube-controller-manager|kube-proxy [flags]"

func main() {
	if len(os.Args) < 2 {
		fail(usage)
	}
	// Each command reads os.Args, and must find itself at its head.
	os.Args = os.Args[1:]
	// Only the chosen command is constructed: the others would register the same global flags.
	switch os.Args[0] {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	case "kube-proxy":
		os.Exit(cli.Run(proxy.NewProxyCommand()))
	default:
		fail(usage)
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(2)
}
