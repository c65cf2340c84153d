/** @jsxImportSource hono/jsx */
import { Failure } from '../../core/failure.ts'
import type { RevokeDraft, RevokeRequest } from '../../core/request/request.ts'
import { cut } from '../certificateName.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { action, type Shown, type Visit } from '../page.ts'
import { Check, Field, PostButton, PostForm, Trouble } from '../parts/form.tsx'
import { Head, Note } from '../parts/panel.tsx'
import { Moment } from '../parts/text.tsx'
import { moveOn } from '../told.ts'
import { certificateIn } from './certificateDownload.tsx'
import type { CertificateView } from './certificateView.ts'

/** RFC 5280 section 5.3.1: what may be said when a certificate is revoked, with the number of the reason. */
const offered: readonly { value: string; code: number; label: string; means: string }[] = [
  { value: 'unspecified', code: 0, label: 'Unspecified', means: 'No reason, or none of those below.' },
  {
    value: 'keyCompromise',
    code: 1,
    label: 'Key compromise',
    means: 'Somebody else has, or may have, the private key of the certificate.',
  },
  {
    value: 'cACompromise',
    code: 2,
    label: 'CA compromise',
    means: 'The key of the authority that issued the certificate is, or may be, in other hands.',
  },
  {
    value: 'affiliationChanged',
    code: 3,
    label: 'Affiliation changed',
    means: 'Whom it names has left, or belongs to another organization now.',
  },
  { value: 'superseded', code: 4, label: 'Superseded', means: 'A new certificate has taken its place.' },
  {
    value: 'cessationOfOperation',
    code: 5,
    label: 'Cessation of operation',
    means: 'The service that it was issued for is no more, or has another operator.',
  },
  {
    value: 'certificateHold',
    code: 6,
    label: 'Certificate hold',
    means:
      'Not to be trusted for a while. The one reason that can be taken back: the hold is lifted, or the certificate revoked for good.',
  },
  {
    value: 'privilegeWithdrawn',
    code: 9,
    label: 'Privilege withdrawn',
    means: 'What it allows its holder is allowed no more.',
  },
  {
    value: 'aACompromise',
    code: 10,
    label: 'AA compromise',
    means: 'The authority that vouched for its attributes is, or may be, in other hands.',
  },
]

/** Makes the code, and shows the page on which it is typed. */
async function askForCode(visit: Visit): Promise<Shown> {
  const view = await certificateIn(visit)
  const { code, until } = await visit.door.revocationCodes.make(view.certificate.id, visit.session)
  return revokePage(visit, view, { code, until })
}

interface Asked {
  /** As it was shown; absent: a new one must be made. */
  code?: string | undefined
  until?: Date
  failure?: Failure
}

function revokePage(visit: Visit, view: CertificateView, { code, until, failure }: Asked): Shown {
  const { uuid, status } = view.certificate
  const back = `/console/certificates/${uuid}`
  const values = visit.form.values()
  const chosen = values.reason || 'unspecified'
  const reasons = offered.filter(({ value }) => status !== 'hold' || value !== 'certificateHold')
  const body = (
    <>
      <Head title="Revoke certificate" about={cut(view.name)} />
      {failure && <Trouble detail={sentence(failure.detail)} problems={problemTexts(failure)} />}
      <Note tone="bad">
        Whoever checks will refuse this certificate from now on. That cannot be undone, except for a hold.
      </Note>
      {code !== undefined && (
        <div class="code-shown">
          <p>Type this code below, so that nothing is revoked by a slip of the mouse:</p>
          <output class="six">{`${code.slice(0, 3)} ${code.slice(3)}`}</output>
          {until && (
            <p class="hint">
              Good once, in this session, for this certificate, until <Moment at={until} />.
            </p>
          )}
        </div>
      )}
      <PostForm visit={visit} to={`${back}/revoke`}>
        {code !== undefined && <input type="hidden" name="shown" value={code} />}
        <Field
          name="code"
          label="Code"
          required
          autocomplete="off"
          inputmode="numeric"
          maxlength={12}
          autofocus
          code
          hint="Six digits; the blank does not matter."
        />
        <fieldset class="reasons">
          <legend>Reason</legend>
          {reasons.map(({ value, code: number, label, means }) => (
            <label>
              <input type="radio" name="reason" value={value} checked={value === chosen} />
              <span>
                <strong>{label}</strong> <span class="quiet">({number})</span>
                <span class="means">{means}</span>
              </span>
            </label>
          ))}
        </fieldset>
        <Field
          name="since"
          label="In other hands since"
          type="date"
          value={values.since}
          hint="For a compromised key: from when on nothing that it signed is to be trusted (UTC)."
        />
        <Field
          name="comment"
          label="Comment"
          value={values.comment}
          rows={2}
          maxlength={2000}
          hint="For those who decide."
        />
        {view.keyPair?.state === 'active' && (
          <Check
            name="destroyKey"
            checked={visit.form.checked('destroyKey')}
            label="Destroy its private key, which is in the keystore, in the same moment"
          />
        )}
        <button type="submit" class="danger">
          Confirm revoke
        </button>
      </PostForm>
      <p class="after-form">
        <PostButton visit={visit} to={`${back}/revoke/code`} label="New code" fields={{ reason: chosen }} />{' '}
        <a href={back}>Leave it as it is</a>
      </p>
    </>
  )
  return { title: 'Revoke certificate', section: 'certificates', body }
}

async function revoke(visit: Visit): Promise<Response> {
  const { certificate } = await certificateIn(visit)
  const { form, door } = visit
  const draft = draftOf(visit, certificate.id)
  const typed = { code: form.need('code', 'the code', 40), session: visit.session }
  const request = await door.revocationCodes.revoke(draft, typed)
  return moveOn(visit, ...afterwards(certificate.uuid, request))
}

function draftOf({ form, host }: Visit, certificate: number): RevokeDraft {
  const reason = form.text('reason', 100)
  if (reason !== undefined && !offered.some(({ value }) => value === reason))
    throw new Failure('badReason', 'choose one of the reasons')
  const [since, comment] = [form.text('since', 20), form.text('comment', 2000)]
  const at = since === undefined ? undefined : new Date(`${since}T00:00:00Z`)
  if (at && (!/^\d{4}-\d\d-\d\d$/.test(since ?? '') || Number.isNaN(at.getTime()) || at > host.clock()))
    throw new Failure('malformed', 'the date since when the key is in other hands is a day that has begun')
  return {
    protocol: 'console',
    certificate,
    grounds: 'user',
    ...(reason === undefined || reason === 'unspecified' ? {} : { reason }),
    ...(at ? { invalidityDate: at } : {}),
    ...(comment === undefined ? {} : { comment }),
    ...(form.checked('destroyKey') ? { destroyKey: true } : {}),
  }
}

/** Where to go on to, and what is told there. */
function afterwards(certificate: string, { status, uuid, code, reason }: RevokeRequest): [to: string, told: string] {
  const [here, request] = [`/console/certificates/${certificate}`, `/console/requests/revoke/${uuid}`]
  switch (status) {
    case 'revoked':
      return [here, code === 'certificateHold' ? 'The certificate is on hold.' : 'The certificate is revoked.']
    case 'revoking':
      return [here, 'The revocation is under way.']
    case 'requested':
      return [request, 'The revocation waits for approval.']
    case 'denied':
    case 'expired':
    case 'canceled':
    case 'failed':
      return [request, `The revocation was not carried out (${status})${reason === undefined ? '.' : `: ${reason}`}`]
  }
}

/** The same page again. The code that was shown shows again, also where it was mistyped: it is the page's own. */
async function revokeAgain(visit: Visit, failure: Failure): Promise<Shown> {
  const view = await certificateIn(visit)
  const [code] = /^\d{6}$/.exec(visit.form.raw('shown', 10)) ?? []
  const spent = /ask for a new one/.test(failure.detail)
  return revokePage(visit, view, { failure, ...(spent ? {} : { code }) })
}

async function unhold(visit: Visit): Promise<Response> {
  const { certificate } = await certificateIn(visit)
  const { request } = await visit.door.unhold({ certificate: certificate.id, protocol: 'console' })
  const told = request
    ? 'Lifting the hold waits for the authority elsewhere.'
    : 'The hold is lifted: the certificate is good again.'
  return moveOn(visit, `/console/certificates/${certificate.uuid}`, told)
}

export const certificateRevokePages = [
  action('/certificates/:uuid/revoke/code', askForCode),
  action('/certificates/:uuid/revoke', revoke, { again: revokeAgain }),
  action('/certificates/:uuid/unhold', unhold),
]
