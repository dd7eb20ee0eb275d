{{- /* What pods have in common. Every pod meets the restricted pod security standard. */ -}}

{{- /*
tributary.image: the image of a component.
Takes (list $ VALUES-KEY); gives REPOSITORY:TAG, or REPOSITORY@DIGEST. tributary.checks has made sure that both are there.
*/ -}}
{{- define "tributary.image" -}}
{{- $image := (index (index . 0).Values (index . 1)).image -}}
{{- printf "%s%s%s" $image.repository (hasPrefix "sha256:" $image.tag | ternary "@" ":") $image.tag -}}
{{- end -}}

{{- /*
tributary.podSettings: the settings at the level of the pod.
Takes $. The numeric user is that of the images; the group owns what volumes hold.
*/ -}}
{{- define "tributary.podSettings" -}}
automountServiceAccountToken: false
{{ include "tributary.podSecurity" . }}
{{- end -}}

{{- /* tributary.podSecurity: takes $; podSettings without the word on the token, for the one pod that needs it. */ -}}
{{- define "tributary.podSecurity" -}}
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- /* tributary.containerSecurity: takes nothing; the securityContext of every container. */ -}}
{{- define "tributary.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /*
tributary.resources: requests and limits of a container.
Takes the resources of a component's values. The processor has no limit: waiting for it helps nobody while it idles.
*/ -}}
{{- define "tributary.resources" -}}
requests:
  cpu: {{ .cpu }}
  memory: {{ .memory }}
limits:
  memory: {{ .memoryLimit }}
{{- end -}}

{{- /*
tributary.volumeClaim: the volume claim of a StatefulSet, named data. It outlives the pod and the release.
Takes (list $ COMPONENT STORAGE), STORAGE being the storage of the component's values.
*/ -}}
{{- define "tributary.volumeClaim" -}}
metadata:
  name: data
  labels:
    {{- include "tributary.selector" . | nindent 4 }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with (index . 2).className }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ (index . 2).size }}
{{- end -}}

{{- /*
tributary.databaseEnv: how the metadata service and the UI find the database, in the names that upstream's service reads too.
Takes $.
*/ -}}
{{- define "tributary.databaseEnv" -}}
- name: MF_METADATA_DB_HOST
  value: {{ include "tributary.databaseHost" . | quote }}
- name: MF_METADATA_DB_PORT
  value: {{ .Values.database.port | quote }}
- name: MF_METADATA_DB_NAME
  value: {{ .Values.database.name | quote }}
- name: MF_METADATA_DB_POOLER
  value: {{ .Values.database.pooler }}
- name: MF_METADATA_DB_USER
  valueFrom:
    secretKeyRef:
      name: {{ include "tributary.databaseSecret" . }}
      key: username
- name: MF_METADATA_DB_PSWD
  valueFrom:
    secretKeyRef:
      name: {{ include "tributary.databaseSecret" . }}
      key: password
{{- end -}}

{{- /*
tributary.accessEnv: whom the metadata service and the UI let in, when they ask for tokens.
Takes $.
*/ -}}
{{- define "tributary.accessEnv" -}}
{{- $auth := .Values.metadataService.auth -}}
- name: MF_METADATA_AUTH
  value: tokens
- name: MF_METADATA_WRITE_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ include "tributary.metadataServiceClientSecret" . }}
      key: token
{{- with $auth.adminSecret }}
- name: MF_METADATA_ADMIN_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ . }}
      key: token
{{- end }}
- name: MF_METADATA_TOKEN_RATE
  value: {{ $auth.tokenRate | quote }}
- name: MF_METADATA_TRUSTED_HEADER
  value: {{ $auth.trustedHeader | quote }}
- name: MF_METADATA_TRUSTED_PROXIES
  value: {{ $auth.trustedProxies | join "," | quote }}
{{- end -}}

{{- /* tributary.objectStoreEnv: how a program finds the object store, in the names that Metaflow and boto3 read. Takes $. */ -}}
{{- define "tributary.objectStoreEnv" -}}
- name: METAFLOW_S3_ENDPOINT_URL
  value: {{ include "tributary.objectStoreUrl" . | quote }}
{{- range $variable, $key := dict "AWS_ACCESS_KEY_ID" "access-key" "AWS_SECRET_ACCESS_KEY" "secret-key" }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ include "tributary.objectStoreSecret" $ }}
      key: {{ $key }}
{{- end }}
{{- end -}}
