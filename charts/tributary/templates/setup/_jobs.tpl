{{- /*
The specs of the two Jobs. They are templates of their own because a Job cannot be changed: its name carries a hash of its
spec, so that a changed one is a new Job and an unchanged one is left alone.
*/ -}}

{{- /*
tributary.setup.jobName: RELEASE-setup-TASK-HASH.
Takes (list $ TASK SPEC), SPEC being the text of the Job's spec.
*/ -}}
{{- define "tributary.setup.jobName" -}}
{{- printf "%s-setup-%s-%s" (include "tributary.release" (index . 0)) (index . 1) (index . 2 | sha256sum | trunc 8) -}}
{{- end -}}

{{- /*
tributary.setup.secrets: the Secrets that the credentials Job makes where they are absent, as the JSON that it reads.
Takes $. What belongs to an external database or store is not ours to make.
*/ -}}
{{- define "tributary.setup.secrets" -}}
{{- $secrets := list -}}
{{- $key := list (dict "name" "access-key" "kind" "access-key") (dict "name" "secret-key" "kind" "password") -}}
{{- if and .Values.credentials.create (eq .Values.database.mode "internal") -}}
{{- $login := list (dict "name" "username" "kind" "fixed" "value" "metaflow") (dict "name" "password" "kind" "password") -}}
{{- $secrets = append $secrets (dict "name" (include "tributary.databaseSecret" .) "keys" $login) -}}
{{- end -}}
{{- if and .Values.credentials.create (eq .Values.objectStore.mode "internal") -}}
{{- $secrets = append $secrets (dict "name" (include "tributary.objectStoreRootSecret" .) "keys" $key) -}}
{{- $secrets = append $secrets (dict "name" (include "tributary.objectStoreSecret" .) "keys" $key) -}}
{{- end -}}
{{- if and .Values.credentials.create .Values.metadataService.auth.tokens -}}
{{- $token := list (dict "name" "token" "kind" "password") -}}
{{- $secrets = append $secrets (dict "name" (include "tributary.metadataServiceClientSecret" .) "keys" $token) -}}
{{- end -}}
{{- $secrets | toJson -}}
{{- end -}}

{{- /*
tributary.setup.jobFrame: the part of a Job's spec that both share, up to the pod's labels.
Takes (list $ TASK).
*/ -}}
{{- define "tributary.setup.jobFrame" -}}
backoffLimit: 6
# The program's exit code 2: it was given something wrong, and trying again cannot help.
podFailurePolicy:
  rules:
    - action: FailJob
      onExitCodes:
        containerName: {{ index . 1 }}
        operator: In
        values: [2]
{{- end -}}

{{- /* tributary.setup.credentialsSpec: takes $; the spec of the Job that makes Secrets. */ -}}
{{- define "tributary.setup.credentialsSpec" -}}
{{ include "tributary.setup.jobFrame" (list $ "credentials") }}
template:
  metadata:
    labels:
      {{- include "tributary.selector" (list $ "setup") | nindent 6 }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ include "tributary.name" (list $ "setup") }}
    automountServiceAccountToken: true
    {{- include "tributary.podSecurity" $ | nindent 4 }}
    containers:
      - name: credentials
        image: {{ include "tributary.image" (list $ "setup") }}
        command: [python3, -m, release_setup, credentials]
        env:
          - name: TRIBUTARY_SECRETS
            value: {{ include "tributary.setup.secrets" . | quote }}
        securityContext:
          {{- include "tributary.containerSecurity" $ | nindent 10 }}
        resources:
          {{- include "tributary.resources" .Values.setup.resources | nindent 10 }}
{{- end -}}

{{- /* tributary.setup.bucketSpec: takes $; the spec of the Job that makes the bucket and the key that opens only it. */ -}}
{{- define "tributary.setup.bucketSpec" -}}
{{ include "tributary.setup.jobFrame" (list $ "bucket") }}
template:
  metadata:
    labels:
      {{- include "tributary.selector" (list $ "setup") | nindent 6 }}
  spec:
    restartPolicy: Never
    {{- include "tributary.podSettings" $ | nindent 4 }}
    containers:
      - name: bucket
        image: {{ include "tributary.image" (list $ "setup") }}
        command: [python3, -m, release_setup, bucket]
        env:
          - name: TRIBUTARY_OBJECT_STORE_URL
            value: {{ include "tributary.objectStoreUrl" . | quote }}
          - name: TRIBUTARY_BUCKET
            value: {{ .Values.objectStore.bucket | quote }}
          - name: TRIBUTARY_ROOT_KEY
            value: /run/secrets/root
          - name: TRIBUTARY_LIMITED_KEY
            value: /run/secrets/limited
        securityContext:
          {{- include "tributary.containerSecurity" $ | nindent 10 }}
        resources:
          {{- include "tributary.resources" .Values.setup.resources | nindent 10 }}
        volumeMounts:
          - name: root
            mountPath: /run/secrets/root
            readOnly: true
          - name: limited
            mountPath: /run/secrets/limited
            readOnly: true
    volumes:
      - name: root
        secret:
          secretName: {{ include "tributary.objectStoreRootSecret" . }}
          defaultMode: 0440
      - name: limited
        secret:
          secretName: {{ include "tributary.objectStoreSecret" . }}
          defaultMode: 0440
{{- end -}}
