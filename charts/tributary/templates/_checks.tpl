{{- /*
tributary.checks: what the schema cannot say. Fails with one sentence, or gives nothing.
Takes $. The image values are not defaults of the chart, because their tags are hashes of what was built.
*/ -}}
{{- define "tributary.checks" -}}
{{- $needed := list "metadataService" "taskBase" -}}
{{- if .Values.ui.enabled -}}
{{- $needed = append $needed "ui" -}}
{{- end -}}
{{- if eq .Values.database.mode "internal" -}}
{{- $needed = append $needed "database" -}}
{{- end -}}
{{- if eq .Values.objectStore.mode "internal" -}}
{{- $needed = append $needed "objectStore" -}}
{{- end -}}
{{- if or (eq .Values.objectStore.mode "internal") (include "tributary.setup.secrets" . | fromJsonArray) -}}
{{- $needed = append $needed "setup" -}}
{{- end -}}
{{- $missing := list -}}
{{- range $key := $needed -}}
{{- $image := (index $.Values $key).image -}}
{{- if not (and $image.repository $image.tag) -}}
{{- $missing = append $missing (printf "%s.image" $key) -}}
{{- end -}}
{{- end -}}
{{- if $missing -}}
{{- fail (printf "values: %s lack repository or tag. Pass the image values with -f; `python -m image_builder values` prints them." (join ", " $missing)) -}}
{{- end -}}
{{- end -}}
