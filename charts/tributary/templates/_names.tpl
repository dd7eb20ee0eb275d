{{- /* Every name, and every address made of names. */ -}}

{{- /*
tributary.release: the release's name, as the first part of all names.
Takes $. Refuses what would give an invalid name; the longest suffix is that of the credentials Job (27 characters),
and a cut name could meet another.
*/ -}}
{{- define "tributary.release" -}}
{{- $longest := sub 63 (len "-setup-credentials-12345678") -}}
{{- if gt (len .Release.Name) (int $longest) -}}
{{- fail (printf "release name %q: has %d characters, and at most %d leave room for the names of its parts. Install under a shorter name." .Release.Name (len .Release.Name) $longest) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" .Release.Name) -}}
{{- fail (printf "release name %q: cannot begin the name of a Service. Use lower case letters, digits and hyphens, a letter first." .Release.Name) -}}
{{- end -}}
{{- .Release.Name -}}
{{- end -}}

{{- /*
tributary.name: the name of one component's objects.
Takes (list $ COMPONENT); gives RELEASE-COMPONENT.
*/ -}}
{{- define "tributary.name" -}}
{{- printf "%s-%s" (include "tributary.release" (index . 0)) (index . 1) -}}
{{- end -}}

{{- /*
tributary.secret: the name of a Secret.
Takes (list $ NAMED SUFFIX); gives NAMED, or RELEASE-SUFFIX where the values name none.
*/ -}}
{{- define "tributary.secret" -}}
{{- index . 1 | empty | ternary (include "tributary.name" (list (index . 0) (index . 2))) (index . 1) -}}
{{- end -}}

{{- /* tributary.databaseSecret: takes $; the Secret with username and password. */ -}}
{{- define "tributary.databaseSecret" -}}
{{- include "tributary.secret" (list $ .Values.database.secret "database") -}}
{{- end -}}

{{- /*
tributary.metadataServiceClientSecret: takes $; the Secret with the token of steps and clients, or nothing when none is asked for.
*/ -}}
{{- define "tributary.metadataServiceClientSecret" -}}
{{- if .Values.metadataService.auth.tokens -}}
{{- include "tributary.secret" (list $ .Values.metadataService.auth.clientSecret "metadata-service-client") -}}
{{- end -}}
{{- end -}}

{{- /* tributary.objectStoreRootSecret: takes $; the Secret with MinIO's own key. */ -}}
{{- define "tributary.objectStoreRootSecret" -}}
{{- include "tributary.secret" (list $ .Values.objectStore.rootSecret "object-store-root") -}}
{{- end -}}

{{- /* tributary.objectStoreSecret: takes $; the Secret with the key that opens the bucket only. */ -}}
{{- define "tributary.objectStoreSecret" -}}
{{- include "tributary.secret" (list $ .Values.objectStore.secret "object-store-metaflow") -}}
{{- end -}}

{{- /*
tributary.host: the address of a component's Service, from every namespace of the cluster.
Takes (list $ COMPONENT).
*/ -}}
{{- define "tributary.host" -}}
{{- printf "%s.%s.svc" (include "tributary.name" .) (index . 0).Release.Namespace -}}
{{- end -}}

{{- /* tributary.databaseHost: takes $; the host of the database, ours or yours. */ -}}
{{- define "tributary.databaseHost" -}}
{{- eq .Values.database.mode "internal" | ternary (include "tributary.host" (list $ "database")) .Values.database.host -}}
{{- end -}}

{{- /* tributary.metadataServiceUrl: takes $; the URL that pods use. */ -}}
{{- define "tributary.metadataServiceUrl" -}}
{{- printf "http://%s:8080" (include "tributary.host" (list $ "metadata-service")) -}}
{{- end -}}

{{- /* tributary.uiUrl: takes $; the URL that pods use, or nothing where there is no UI. */ -}}
{{- define "tributary.uiUrl" -}}
{{- if .Values.ui.enabled -}}
{{- printf "http://%s:8083" (include "tributary.host" (list $ "ui")) -}}
{{- end -}}
{{- end -}}

{{- /* tributary.objectStoreUrl: takes $; the URL that pods use. */ -}}
{{- define "tributary.objectStoreUrl" -}}
{{- $ours := printf "http://%s:9000" (include "tributary.host" (list $ "object-store")) -}}
{{- eq .Values.objectStore.mode "internal" | ternary $ours .Values.objectStore.endpoint -}}
{{- end -}}

{{- /* tributary.datastoreRoot: takes $; where Metaflow keeps everything in the bucket. */ -}}
{{- define "tributary.datastoreRoot" -}}
{{- printf "s3://%s/%s" .Values.objectStore.bucket .Values.objectStore.prefix -}}
{{- end -}}
