/** @jsxImportSource hono/jsx */
import type { Visit } from '../page.ts'
import { Field, PostButton, PostForm } from '../parts/form.tsx'
import { Panel } from '../parts/panel.tsx'
import type { RequestFacts } from './requestFacts.ts'

/** What else can be done about a request by hand, as far as whoever looks may try it. */
export function DeedPanel({ visit, facts }: { visit: Visit; facts: RequestFacts }) {
  const { kind, detail, viewer, authority } = facts
  const { status } = detail
  const to = (what: string) => `/console/requests/${kind}/${detail.uuid}/${what}`
  const his = viewer.behind || viewer.manages
  const open = ['draft', 'requested', 'signing', 'revoking'].includes(status)
  const runs = status === 'signing' || status === 'revoking'
  const elsewhere = authority.kind === 'manual' && viewer.manages
  const deeds = [
    his && (runs || status === 'failed') && <PostButton visit={visit} to={to('retry')} label="Retry" kind="primary" />,
    kind === 'sign' && status === 'signing' && elsewhere && <Upload visit={visit} to={to('upload')} />,
    kind === 'revoke' && status === 'revoking' && authority.kind !== 'local' && viewer.manages && (
      <PostButton visit={visit} to={to('confirm')} label="Confirm: the authority has revoked it" />
    ),
    kind === 'sign' && (status === 'requested' || status === 'draft') && his && (
      <Edit visit={visit} facts={facts} to={to('edit')} />
    ),
    open && his && <Cancel visit={visit} to={to('cancel')} />,
    open && viewer.manages && <MarkFailed visit={visit} to={to('fail')} />,
  ].filter(Boolean)
  if (deeds.length === 0) return null
  return (
    <Panel title="What else can be done" id="deeds">
      <div class="deeds">{deeds}</div>
    </Panel>
  )
}

interface Deed {
  visit: Visit
  to: string
}

function Cancel({ visit, to }: Deed) {
  return (
    <details>
      <summary>Cancel</summary>
      <PostForm visit={visit} to={to}>
        <Field name="cancelReason" label="Why it is withdrawn" maxlength={1000} />
        <button type="submit" class="danger">
          Cancel this request
        </button>
      </PostForm>
    </details>
  )
}

function MarkFailed({ visit, to }: Deed) {
  return (
    <details>
      <summary>Mark as failed</summary>
      <PostForm visit={visit} to={to}>
        <Field name="failReason" label="Why it is given up" maxlength={1000} required hint="Whoever asked reads it." />
        <button type="submit" class="danger">
          Mark as failed
        </button>
      </PostForm>
    </details>
  )
}

function Upload({ visit, to }: Deed) {
  return (
    <PostForm visit={visit} to={to} files>
      <Field
        name="pem"
        label="Certificate signed elsewhere"
        rows={4}
        code
        hint="PEM, the certificate first, then its issuers if you like; or choose a file (PEM or DER) below."
      />
      <div class="field">
        <label for="field-file">
          File<span class="quiet"> (optional)</span>
        </label>
        <input id="field-file" type="file" name="file" />
      </div>
      <button type="submit" class="primary">
        Upload certificate
      </button>
    </PostForm>
  )
}

function Edit({ visit, facts, to }: Deed & { facts: RequestFacts }) {
  const { detail } = facts
  const { wanted } = detail
  if (!wanted) return null
  const date = (at: Date | null) => at?.toISOString().slice(0, 10)
  return (
    <details>
      <summary>Edit</summary>
      <PostForm visit={visit} to={to}>
        <input type="hidden" name="revision" value={String(detail.revision)} />
        <p class="hint">The rules decide anew on what it is then, and votes until now are void.</p>
        <Field
          name="names"
          label="Names"
          rows={3}
          code
          value={wanted.identifiers.map(({ value }) => value).join('\n')}
          hint="One a line: DNS names, IP addresses, e-mail addresses, URIs."
        />
        <Field name="notAfter" label="Ends on" type="date" value={date(wanted.notAfter)} />
        <button type="submit">Save and ask anew</button>
      </PostForm>
    </details>
  )
}
