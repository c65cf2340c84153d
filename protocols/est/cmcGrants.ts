import { readTemplateChange, type TemplateChange } from '../../src/pki/crmf.ts'
import type { Csr } from '../../src/pki/csr.ts'
import type { Client } from './client.ts'
import type { Controls, Part } from './cmcControls.ts'
import { CmcRefusal } from './cmcRefusal.ts'

/** What an RA says about the requests of one message, its own or one within it: RFC 10002 sections 6.5.1, 6.8, 6.19, 6.20. */
export interface Grants {
  /** Requests whose possession it has looked at. */
  possessed: ReadonlySet<number>
  /** It has looked at the identity of the whole message. */
  whole: boolean
  /** Identity proofs that it has checked. */
  proofs: ReadonlySet<number>
  /** Controls that it has processed. */
  processed: ReadonlySet<number>
  changes: readonly { id: number; requests: number[]; change: TemplateChange; replace: boolean }[]
}

export const noGrants: Grants = {
  possessed: new Set(),
  whole: false,
  proofs: new Set(),
  processed: new Set(),
  changes: [],
}

/** Only a registration authority may say such things (section 10). Throws CmcRefusal that names the controls. */
export function refuseFromOthers(controls: Controls, client: Client | undefined): void {
  if (client?.registrationAuthority) return
  const { attested, vouched, processed, changes, batch } = controls
  const refuse = (parts: readonly { id: number }[], failInfo: 'popFailed' | 'badRequest') => {
    if (parts.length === 0) return
    throw new CmcRefusal(failInfo, 'only a registration authority of this authority may say this', {
      bodyParts: parts.map(({ id }) => id),
    })
  }
  refuse(attested, 'popFailed')
  refuse([...vouched, ...processed, ...changes, ...(batch ? [batch] : [])], 'badRequest')
}

/** What a message's controls say about the message `target` within it; 0: about itself. */
export function grantsFor(controls: Controls, target: number): Grants {
  const inner = (path: readonly number[]): number[] | undefined => {
    if (target === 0) return path.length === 1 ? [...path] : undefined
    return path[0] === target ? path.slice(1) : undefined
  }
  const vouched = controls.vouched.flatMap(({ path }) => [inner(path)].filter((rest) => rest !== undefined))
  const processed = controls.processed.flatMap(({ paths }) => paths.map(inner).filter((rest) => rest !== undefined))
  return {
    possessed: new Set(controls.attested.flatMap(({ message, bodyParts }) => (message === target ? bodyParts : []))),
    whole: vouched.some((rest) => rest.length === 0),
    proofs: new Set(vouched.flat()),
    processed: new Set(processed.flat()),
    changes: controls.changes.flatMap((control) => (isFor(control.path, target) ? [readChange(control)] : [])),
  }
}

const isFor = (path: readonly number[], target: number): boolean => path.length === 1 && path[0] === target

function readChange({ id, requests, replace, template }: Part<Controls['changes'][number]>): Grants['changes'][number] {
  const change = readTemplateChange(template)
  if (change.others.length > 0)
    throw new CmcRefusal(
      'unsupportedExt',
      `an RA changes subject, names and validity here, not ${change.others.join(', ')}`,
      {
        bodyParts: [id],
      },
    )
  if (change.otherNames?.length)
    throw new CmcRefusal('unsupportedExt', 'names of a kind that is not certified here', { bodyParts: [id] })
  return { id, requests, change, replace }
}

/** Sections 6.5.1, 6.8, 6.17, 6.20: what a control refers to is there. Throws CmcRefusal that names the control. */
export function refuseDangling(
  controls: Controls,
  ids: { requests: ReadonlySet<number>; contents: ReadonlySet<number> },
): void {
  const message = (id: number) => id === 0 || ids.contents.has(id)
  const refuse = (id: number) => {
    throw new CmcRefusal('badRequest', 'a control refers to a part that is not there', { bodyParts: [id] })
  }
  for (const { id, path } of controls.changes) if (path.length !== 1 || !message(path[0] ?? -1)) refuse(id)
  for (const { id, message: of } of controls.attested) if (!message(of)) refuse(id)
  for (const { id, path } of controls.vouched) {
    const [first = -1] = path
    if (!(path.length === 1 && ids.requests.has(first)) && !ids.contents.has(first)) refuse(id)
  }
}

/** The same for what is said about the requests of one message: each must be one of its own. */
export function refuseUnknownRequests(
  { changes, possessed }: Grants,
  requests: ReadonlySet<number>,
  about: number,
): void {
  for (const { id, requests: named } of changes)
    if (!named.every((request) => requests.has(request)))
      throw new CmcRefusal('badRequest', 'a request that shall be changed is not there', {
        bodyParts: about === 0 ? [id] : [0],
      })
  for (const id of possessed)
    if (!requests.has(id))
      throw new CmcRefusal('badRequest', `there is no request ${id}, for which an RA has seen possession`)
}

/** What a request asks for once the RA has changed it: inner changes first. */
export interface Changed {
  requestedSubject?: Csr['subject']
  identifiers?: Csr['identifiers']
  notBefore?: Date
  notAfter?: Date
}

export function changed(id: number, { changes }: Grants): Changed {
  const out: Changed = {}
  for (const { requests, change, replace } of changes) {
    if (!requests.includes(id)) continue
    if (change.subject) out.requestedSubject = replace ? change.subject : []
    if (change.identifiers) out.identifiers = replace ? change.identifiers : []
    if (replace && change.notBefore) out.notBefore = change.notBefore
    if (replace && change.notAfter) out.notAfter = change.notAfter
  }
  return out
}
