import { expect } from 'vitest'
import type { SignDraft } from '../../src/core/request/request.ts'
import type { ConsoleApp } from './consoleApp.ts'
import { doorFor } from './consoleCertificates.ts'
import type { Person } from './raApp.ts'
import { newCsr } from './world.ts'

/** Rules of every action but export. */
export const everywhere = <Rule>(rule: Rule) => ({ issue: rule, renew: rule, rekey: rule, revoke: rule, export: [] })

interface Wish {
  by?: Person
  profile?: string
  names?: string[]
  subject?: Record<string, string>
  draft?: Partial<SignDraft>
}

/** Orders over a profile, as the operator unless somebody else is named. */
export async function ordered(app: ConsoleApp, name: string, wish: Wish = {}) {
  const { by = app.operator, profile = 'decided', names = [name], subject = { CN: name }, draft = {} } = wish
  const csr = await newCsr(names, { subject })
  const { request } = await doorFor(app, by).sign({
    profile: await app.world.profile(profile),
    protocol: 'console',
    action: 'issue',
    csr,
    refusal: 'store',
    editable: true,
    ...draft,
  })
  return {
    id: request.id,
    uuid: request.uuid,
    status: request.status,
    at: `/console/requests/sign/${request.uuid}`,
    csr,
  }
}

/** Asks for the revocation of a certificate, as the operator. */
export async function revocation(app: ConsoleApp, certificate: number, reason = 'superseded') {
  const request = await doorFor(app, app.operator).revoke({ protocol: 'console', certificate, grounds: 'user', reason })
  return { id: request.id, uuid: request.uuid, status: request.status, at: `/console/requests/revoke/${request.uuid}` }
}

export const hashIn = (html: string): string => /name="hash" value="([^"]+)"/.exec(html)?.[1] ?? ''

/** The hash that the page of a request shows to somebody who may decide. */
export async function hashOf(app: ConsoleApp, at: string, by: Person = app.approver): Promise<string> {
  const hash = hashIn((await app.get(at, { by })).html)
  expect(hash, at).not.toBe('')
  return hash
}

export async function statusOf(app: ConsoleApp, uuid: string, kind: 'sign' | 'revoke' = 'sign'): Promise<string> {
  return (await doorFor(app, app.admin).list.request(uuid, kind)).status
}
