{{- /*
Labels. Selectors and pods carry only what never changes: a new version of the chart alone then restarts no pod, and no
upgrade meets an immutable field.
*/ -}}

{{- /*
tributary.selector: what tells the pods of one component of one release from all others.
Takes (list $ COMPONENT).
*/ -}}
{{- define "tributary.selector" -}}
app.kubernetes.io/name: tributary
app.kubernetes.io/instance: {{ include "tributary.release" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- /*
tributary.labels: the labels of every object of one component.
Takes (list $ COMPONENT).
*/ -}}
{{- define "tributary.labels" -}}
{{ include "tributary.selector" . }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
{{- end -}}
