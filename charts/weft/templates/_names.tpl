{{- define "weft.selector" -}}
app.kubernetes.io/name: weft
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "weft.labels" -}}
{{ include "weft.selector" . }}
app.kubernetes.io/part-of: weft
app.kubernetes.io/version: {{ .context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
helm.sh/chart: {{ .context.Chart.Name }}-{{ .context.Chart.Version }}
{{- end }}

{{- /* (dict "context" . "image" VALUE "name" NAME) */ -}}
{{- define "weft.image" -}}
{{ .image | default (printf "%s/%s:%s" .context.Values.images.registry .name .context.Chart.AppVersion) }}
{{- end }}

{{- define "weft.podSecurity" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "weft.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* Where the Pods of one component run: (dict "context" . "component" NAME "settings" VALUES) */ -}}
{{- define "weft.placement" -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "weft.selector" $ | nindent 8 }}
  {{- end }}
{{- with .settings.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{ include "weft.nodes" . }}
{{- end }}

{{- /* Which nodes they may run on, and what those pull images with: (dict "context" . "settings" VALUES) */ -}}
{{- define "weft.nodes" -}}
nodeSelector:
  {{- toYaml (merge (dict "kubernetes.io/os" "linux") (.settings.nodeSelector | default dict)) | nindent 2 }}
{{- with .settings.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .context.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* The token for the API server, for the one container that needs it. */ -}}
{{- define "weft.tokenVolume" -}}
- name: kube-api-access
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken:
          expirationSeconds: 3607
          path: token
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
      - downwardAPI:
          items:
            - path: namespace
              fieldRef:
                fieldPath: metadata.namespace
{{- end }}

{{- define "weft.tokenMount" -}}
- name: kube-api-access
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{- /* What the injector puts into Pods; injector/configuration.ts says what each means. */ -}}
{{- define "weft.injection" -}}
proxyImage: {{ include "weft.image" (dict "context" . "image" .Values.images.proxy "name" "weft-proxy") }}
initImage: {{ include "weft.image" (dict "context" . "image" .Values.images.init "name" "weft-proxy-init") }}
pullPolicy: {{ .Values.images.pullPolicy }}
{{- with .Values.images.pullSecrets }}
pullSecrets: {{ toJson . }}
{{- end }}
controller: weft-controller.{{ .Release.Namespace }}.svc:15010
rootNamespace: {{ .Release.Namespace }}
logLevel: {{ .Values.proxy.logLevel }}
socketIO: {{ .Values.proxy.socketIO }}
{{- /* The sleep of preStop hooks is on from 1.30; before, the API server refuses it. */}}
terminationDelaySeconds: {{ if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version }}{{ .Values.proxy.terminationDelaySeconds }}{{ else }}0{{ end }}
tracing:
  {{- toYaml .Values.proxy.tracing | nindent 2 }}
proxyResources:
  {{- toYaml .Values.proxy.resources | nindent 2 }}
initResources:
  {{- toYaml .Values.init.resources | nindent 2 }}
{{- end }}
