package deploy_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// cluster is what deploy/kubernetes has.
type cluster struct {
	deployments map[string]appsv1.Deployment
	services    []corev1.Service
	budgets     []policyv1.PodDisruptionBudget
	policies    []networkingv1.NetworkPolicy
	secret      corev1.Secret
	scaled      scaledObject
	kinds       []string
}

// scaledObject is KEDA's, as far as it is used (https://keda.sh/docs/latest/reference/scaledobject-spec/).
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef struct {
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount, MaxReplicaCount int `json:",omitempty"`
		PollingInterval, CooldownPeriod  int `json:",omitempty"`
		Triggers                         []struct {
			Type     string            `json:"type"`
			Metadata map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// kubernetes reads every file with the types of Kubernetes' own API; a field that these don't have is an error.
func kubernetes(t *testing.T) cluster {
	t.Helper()
	c := cluster{deployments: map[string]appsv1.Deployment{}}
	files, err := filepath.Glob("kubernetes/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		if slices.Contains([]string{"kustomization.yaml", "lineq.yaml"}, filepath.Base(file)) {
			continue
		}
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		for document := range bytes.SplitSeq(b, []byte("\n---\n")) {
			var is metav1.TypeMeta
			require.NoError(t, yaml.Unmarshal(document, &is), file)
			read := func(v any) { require.NoError(t, yaml.UnmarshalStrict(document, v), file) }
			switch of := is.APIVersion + " " + is.Kind; of {
			case "apps/v1 Deployment":
				var d appsv1.Deployment
				read(&d)
				c.deployments[d.Name] = d
			case "v1 Service":
				c.services = append(c.services, corev1.Service{})
				read(&c.services[len(c.services)-1])
			case "policy/v1 PodDisruptionBudget":
				c.budgets = append(c.budgets, policyv1.PodDisruptionBudget{})
				read(&c.budgets[len(c.budgets)-1])
			case "networking.k8s.io/v1 NetworkPolicy":
				c.policies = append(c.policies, networkingv1.NetworkPolicy{})
				read(&c.policies[len(c.policies)-1])
			case "v1 Secret":
				read(&c.secret)
			case "v1 Namespace":
				read(&corev1.Namespace{})
			case "keda.sh/v1alpha1 ScaledObject":
				read(&c.scaled)
			default:
				require.Fail(t, "nobody checks it", "%s: %s", file, of)
			}
			c.kinds = append(c.kinds, is.Kind)
		}
	}
	return c
}

func TestKubernetes(t *testing.T) {
	c := kubernetes(t)
	require.Len(t, c.deployments, 2)
	for name, d := range c.deployments {
		t.Run(name, func(t *testing.T) {
			pod := d.Spec.Template
			set := labels.Set(pod.Labels)
			require.True(t, labels.SelectorFromSet(d.Spec.Selector.MatchLabels).Matches(set))
			require.Len(t, pod.Spec.Containers, 1)
			container := pod.Spec.Containers[0]

			assert.True(t, *pod.Spec.SecurityContext.RunAsNonRoot)
			assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.Spec.SecurityContext.SeccompProfile.Type)
			assert.False(t, *container.SecurityContext.AllowPrivilegeEscalation)
			assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
			assert.Equal(t, []corev1.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop)
			assert.False(t, *pod.Spec.AutomountServiceAccountToken)
			assert.Greater(t, *pod.Spec.TerminationGracePeriodSeconds, int64(25))
			assert.NotEmpty(t, container.Resources.Limits.Memory().String())

			ports := map[string]int32{}
			for _, p := range container.Ports {
				ports[p.Name] = p.ContainerPort
			}
			for path, probe := range map[string]*corev1.Probe{
				"/readyz": container.ReadinessProbe, "/healthz": container.LivenessProbe,
			} {
				assert.Equal(t, path, probe.HTTPGet.Path)
				assert.Contains(t, ports, probe.HTTPGet.Port.StrVal)
			}
			budgets := 0
			for _, b := range c.budgets {
				if labels.SelectorFromSet(b.Spec.Selector.MatchLabels).Matches(set) {
					budgets++
					assert.Equal(t, intstr.FromInt32(1), *b.Spec.MinAvailable)
				}
			}
			assert.Equal(t, 1, budgets)
			mounted := map[string]bool{}
			for _, v := range pod.Spec.Volumes {
				mounted[v.Name] = true
				if v.Secret != nil {
					assert.Equal(t, c.secret.Name, v.Secret.SecretName)
				}
			}
			for _, m := range container.VolumeMounts {
				assert.True(t, mounted[m.Name] && m.ReadOnly, m.Name)
			}
			for _, e := range container.Env {
				if e.ValueFrom != nil {
					assert.Equal(t, c.secret.Name, e.ValueFrom.SecretKeyRef.Name)
					assert.Contains(t, c.secret.StringData, e.ValueFrom.SecretKeyRef.Key)
				}
			}
			open := map[int32]bool{}
			for _, p := range c.policies {
				if labels.SelectorFromSet(p.Spec.PodSelector.MatchLabels).Matches(set) {
					for _, in := range p.Spec.Ingress {
						assert.NotEmpty(t, in.From, "from somebody named")
						for _, port := range in.Ports {
							open[port.Port.IntVal] = true
						}
					}
				}
			}
			for name, port := range ports {
				assert.True(t, open[port], name)
			}
		})
	}
	for _, s := range c.services {
		for _, p := range s.Spec.Ports {
			found := false
			for _, d := range c.deployments {
				if !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
					continue
				}
				for _, port := range d.Spec.Template.Spec.Containers[0].Ports {
					found = found || port.Name == p.TargetPort.StrVal
				}
			}
			assert.True(t, found, "service %s, port %s", s.Name, p.Name)
		}
	}
	assert.Equal(t, "worker", c.scaled.Spec.ScaleTargetRef.Name)
	assert.Nil(t, c.deployments["worker"].Spec.Replicas, "or each apply would set it back")
	for _, trigger := range c.scaled.Spec.Triggers {
		holdsAgainst(t, trigger.Metadata["query"], served(t))
	}
}

func TestKustomization(t *testing.T) {
	var k struct {
		APIVersion, Kind, Namespace string
		Resources                   []string
		ConfigMapGenerator          []struct {
			Name  string
			Files []string
		}
		Images []struct{ Name, NewName, NewTag string }
	}
	b, err := os.ReadFile("kubernetes/kustomization.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalStrict(b, &k))
	for _, file := range slices.Concat(k.Resources, k.ConfigMapGenerator[0].Files) {
		assert.FileExists(t, filepath.Join("kubernetes", file))
	}
	assert.NotContains(t, k.Resources, "secret.example.yaml", "it holds no secrets")
	for _, d := range kubernetes(t).deployments {
		assert.Equal(t, k.Images[0].Name, d.Spec.Template.Spec.Containers[0].Image)
		for _, v := range d.Spec.Template.Spec.Volumes {
			if v.ConfigMap != nil {
				assert.Equal(t, k.ConfigMapGenerator[0].Name, v.ConfigMap.Name)
			}
		}
	}
}

// TestKubernetesRuns starts the program of each deployment with its arguments and environment, and asks it what its probes ask.
func TestKubernetesRuns(t *testing.T) {
	redis := startRedis(t)
	simulator := freeAddr(t)
	startLineq(t, []string{"simulate", "--addr", simulator}, nil)
	c := kubernetes(t)
	secrets := t.TempDir()
	for key, value := range c.secret.StringData {
		require.NoError(t, os.WriteFile(filepath.Join(secrets, key), []byte(strings.ReplaceAll(value, " ", "-")), 0o600))
	}
	config := localConfig(t, "kubernetes/lineq.yaml", map[string]string{"/run/secrets/lineq": secrets})
	for name, d := range c.deployments {
		container := d.Spec.Template.Spec.Containers[0]
		here := map[int32]string{}
		for _, p := range container.Ports {
			here[p.ContainerPort] = freeAddr(t)
		}
		env := []string{"LINEQ_LINE_ORIGIN=http://" + simulator}
		for _, e := range container.Env {
			value := e.Value
			switch e.Name {
			case "LINEQ_REDIS":
				value = "redis://" + redis
			case "LINEQ_CONFIG":
				assert.Equal(t, "/etc/lineq/lineq.yaml", value)
				value = config
			case "LINEQ_ADDR":
				assert.Equal(t, ":8789", value)
				value = here[8789]
			case "LINEQ_METRICS_ADDR":
				assert.Equal(t, ":9091", value)
				value = here[9091]
			}
			env = append(env, e.Name+"="+value)
		}
		startLineq(t, container.Args, env)
		for _, probe := range []*corev1.Probe{container.StartupProbe, container.ReadinessProbe, container.LivenessProbe} {
			i := slices.IndexFunc(container.Ports, func(p corev1.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.StrVal })
			url := "http://" + here[container.Ports[i].ContainerPort] + probe.HTTPGet.Path
			require.Eventually(t, func() bool {
				resp, err := http.Get(url)
				return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
			}, 30*time.Second, 20*time.Millisecond, "%s %s", name, url)
		}
	}
}
