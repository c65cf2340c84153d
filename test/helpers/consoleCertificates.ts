import { execFileSync } from 'node:child_process'
import { asRequester } from '../../src/core/identity/identity.ts'
import type { ConsoleApp } from './consoleApp.ts'
import type { Person } from './raApp.ts'
import { newCsr } from './world.ts'

/** The door of a person, for what a test prepares. */
export const doorFor = (app: ConsoleApp, person: Person) => app.world.core.as(asRequester(person))

interface Wish {
  by?: Person
  profile?: string
  subject?: Record<string, string>
}

/** A certificate that was issued over the profile `rest`; its id and uuid. */
export async function issued(app: ConsoleApp, names: string[], { by, profile = 'rest', subject }: Wish = {}) {
  const csr = await newCsr(names, subject ? { subject } : {})
  const draft = { profile: await app.world.profile(profile), protocol: 'console', action: 'issue', csr } as const
  const { request } = await doorFor(app, by ?? app.operator).sign({ ...draft, refusal: 'store' })
  if (request.status !== 'signed') throw new Error(`it is ${request.status}: ${request.reason}`)
  return { id: request.id, uuid: request.uuid, at: `/console/certificates/${request.uuid}` }
}

/** PEM of a certificate that nobody here has issued. */
export function selfSigned(name: string): string {
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', '/dev/null']
  const args = ['req', '-x509', '-days', '30', ...key, ...subject]
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

/** The uuid of the order that a form has led to. */
export const orderOf = (location: string | null): string =>
  /^\/console\/new\/done\/([0-9a-f-]{36})$/.exec(location ?? '')?.[1] ?? ''
