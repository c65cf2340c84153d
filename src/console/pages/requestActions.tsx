/** @jsxImportSource hono/jsx */
import type { RequestKind } from '../../core/approval/approval.ts'
import { Failure } from '../../core/failure.ts'
import type { Revision } from '../../core/issuance/revise.ts'
import { PkiError } from '../../pki/error.ts'
import { pemDecode } from '../../pki/pem.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { parseNames } from '../names.ts'
import { action, type Shown, type Visit } from '../page.ts'
import { Trouble } from '../parts/form.tsx'
import { moveOn } from '../told.ts'
import { showRequest } from './requestDetail.tsx'

/** One thing that is done to a request: what the reader is then told. */
type Deed = (visit: Visit, kind: RequestKind, uuid: string) => Promise<string>

/** What was shown is what is voted on: the form carries its hash. */
const vote: Deed = async ({ door, form }, kind, uuid) => {
  const verdict = form.text('verdict') === 'approve' ? 'approve' : 'deny'
  const override = form.checked('override')
  const reason = form.text(override ? 'overrideReason' : 'reason', 1000)
  const remember = verdict === 'approve' && !override ? form.text('remember', 20) : undefined
  const { status } = await door.approvals.vote(kind, uuid, {
    verdict,
    hash: form.need('hash', 'The hash of what was shown', 200),
    ...(reason === undefined ? {} : { reason }),
    ...(override ? { override } : {}),
    ...(remember === undefined ? {} : { remember }),
  })
  const said = verdict === 'approve' ? 'You approved it.' : 'You denied it.'
  return `${said} ${standing[status] ?? `It is ${status}.`}`
}

const standing: Readonly<Record<string, string>> = {
  requested: 'It waits for others now.',
  signing: 'It is being signed.',
  revoking: 'It is being revoked.',
  signed: 'The certificate is there.',
  revoked: 'The certificate is revoked.',
  denied: 'Whoever asked reads why.',
  failed: 'It failed: see below.',
}

const comment: Deed = async ({ door, form }, kind, uuid) => {
  await door.approvals.comment(kind, uuid, form.need('comment', 'The comment', 4000))
  return 'Your comment is there.'
}

const cancel: Deed = async ({ door, form }, kind, uuid) => {
  await door.approvals.cancel(kind, uuid, form.text('cancelReason', 1000))
  return 'The request is canceled.'
}

const retry: Deed = async ({ door }, kind, uuid) => {
  const { status } = await door.approvals.retry(kind, uuid)
  return standing[status] ?? `It was tried again and is ${status}.`
}

const fail: Deed = async ({ door, form }, kind, uuid) => {
  await door.approvals.markFailed(kind, uuid, form.need('failReason', 'The reason', 1000))
  return 'The request is marked as failed.'
}

const confirm: Deed = async ({ door }, _, uuid) => {
  await door.approvals.confirmRevoked(uuid)
  return 'The certificate is revoked.'
}

const edit: Deed = async ({ door, form }, _, uuid) => {
  const names = form.text('names', 65_536)
  const ends = form.text('notAfter', 10)
  const before = await door.list.request(uuid, 'sign')
  const asked = before.wanted?.notAfter?.toISOString().slice(0, 10)
  const change: Revision = {
    revision: Number(form.need('revision', 'The revision', 10)),
    ...(names === undefined ? {} : { identifiers: parseNames(names) }),
    ...(ends === asked ? {} : { notAfter: ends === undefined ? null : dayEnd(ends) }),
  }
  const { request } = await door.revise(uuid, change)
  return `It is edited. ${standing[request.status] ?? `It is ${request.status}.`}`
}

function dayEnd(text: string): Date {
  const at = new Date(`${text}T00:00:00Z`)
  if (Number.isNaN(at.getTime())) throw new Failure('malformed', 'write the day as 2027-01-31')
  return at
}

const upload: Deed = async ({ door, form }, _, uuid) => {
  const file = await form.file('file')
  const text = form.text('pem', 200_000)
  if (!file && text === undefined) throw new Failure('malformed', 'paste the certificate or choose its file')
  await door.upload(uuid, chainIn(file ?? Buffer.from(text ?? '')))
  return 'The certificate is there.'
}

/** DER of one certificate, or of all in a PEM text. Throws Failure('malformed'). */
function chainIn(given: Buffer): Buffer[] {
  if (given[0] === 0x30) return [given]
  try {
    const chain = pemDecode(given.toString('utf8')).map(({ der }) => der)
    if (chain.length > 0) return chain
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
  }
  throw new Failure('malformed', 'this is no certificate: give it as PEM or DER')
}

const deeds: Readonly<Record<RequestKind, Readonly<Record<string, Deed>>>> = {
  sign: { vote, comment, cancel, retry, fail, edit, upload },
  revoke: { vote, comment, cancel, retry, fail, confirm },
}

/** The page anew, as it is now, and why nothing was done. */
async function again(visit: Visit, kind: RequestKind, failure: Failure): Promise<Shown> {
  // What may not be seen is not shown around the refusal either.
  if (failure.code === 'notFound') throw failure
  const trouble = <Trouble detail={sentence(failure.detail)} problems={problemTexts(failure)} />
  const shown = await showRequest(visit, kind, trouble)
  return { ...shown, status: failure.code === 'conflict' ? 409 : failure.code === 'forbidden' ? 403 : 422 }
}

export const requestActionPages = (['sign', 'revoke'] as const).flatMap((kind) =>
  Object.entries(deeds[kind]).map(([name, deed]) =>
    action(
      `/requests/${kind}/:ref/${name}`,
      async (visit) => {
        const uuid = visit.params.ref ?? ''
        const told = await deed(visit, kind, uuid)
        return moveOn(visit, `/console/requests/${kind}/${encodeURIComponent(uuid)}`, told)
      },
      { limit: 512 * 1024, again: (visit, failure) => again(visit, kind, failure) },
    ),
  ),
)
