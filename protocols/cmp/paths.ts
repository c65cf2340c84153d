import type { CmpBodyType } from '../../src/pki/cmpMessage.ts'

/** RFC 9483 section 6.1: the labels of operations, and the messages that begin each. certConf and pollReq go wherever theirs began. */
const labels: Readonly<Record<string, readonly CmpBodyType[]>> = {
  initialization: ['ir'],
  certification: ['cr'],
  keyupdate: ['kur'],
  pkcs10: ['p10cr'],
  revocation: ['rr'],
  getcacerts: ['genm'],
  getrootupdate: ['genm'],
  getcertreqtemplate: ['genm'],
  getcrls: ['genm'],
}

const ANYWHERE: readonly (CmpBodyType | number)[] = ['certConf', 'pollReq']

export interface Target {
  /** Name of the RA profile; `default` where the path has none. */
  profile: string
  label?: string
}

const NAME = '[a-z0-9][a-z0-9-]{0,62}'
const SHORT = new RegExp(`^/cmp(?:/(${NAME})(?:/([a-z0-9]+))?)?/?(?:\\?.*)?$`, 's')
const WELL_KNOWN = new RegExp(`^/\\.well-known/cmp(?:/p/(${NAME}))?(?:/([a-z0-9]+))?/?(?:\\?.*)?$`, 's')

/**
 * What a request target asks for (RFC 9811 section 3.4). To the letter: another case, an encoded character or an unknown label is another path, and
 * there is nothing.
 */
export function readTarget(url: string): Target | undefined {
  const found = WELL_KNOWN.exec(url) ?? SHORT.exec(url)
  if (!found) return undefined
  const [, profile = 'default', label] = found
  if (label === undefined) return { profile }
  return Object.hasOwn(labels, label) ? { profile, label } : undefined
}

/** Whether a message of this type may be sent there. */
export function fits({ label }: Target, type: CmpBodyType | number): boolean {
  if (label === undefined || ANYWHERE.includes(type)) return true
  return labels[label]?.some((each) => each === type) ?? false
}
