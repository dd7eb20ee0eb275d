{{- /*
tributary.clients: the peers of a NetworkPolicy that stand for steps and clients.
Takes $; gives a list, empty when the values name nobody.
*/ -}}
{{- define "tributary.clients" -}}
{{- range .Values.exposure.namespaces }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . }}
{{- end }}
{{- range .Values.exposure.cidrs }}
- ipBlock:
    cidr: {{ . }}
{{- end }}
{{- end -}}
