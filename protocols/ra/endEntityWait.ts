import type { RaProfile } from '../../src/core/profile/profile.ts'
import { optionsOf } from './attributeSchema.ts'
import type { EndEntity, EndEntityEdit } from './endEntity.ts'
import type { EndEntityDraft } from './endEntityDraft.ts'
import type { EndEntityStatus } from './endEntityStatus.ts'

/** Whether what is added to a profile waits for somebody else than who adds it. */
export const approvesEndEntities = (profile: RaProfile): boolean => optionsOf(profile).approveEndEntities

/** Whether it waits after an edit: what was approved is worth nothing once somebody can put another name or password in its place. */
export function waitsAfter(profile: RaProfile, known: EndEntity, { draft, password }: EndEntityEdit): boolean {
  if (known.awaitsApproval) return true
  const changed = password !== undefined || (draft !== undefined && !sameDraft(known, draft))
  return changed && approvesEndEntities(profile)
}

/** What an edit makes of one that waits, or that waits from now on. It may be put aside; a deletion that has begun goes on. */
export function waitingStatus({ status: known, awaitsApproval }: EndEntity, asked: EndEntityStatus): EndEntityStatus {
  return asked === 'HISTORICAL' || (awaitsApproval && asked === known) ? asked : 'WAITING_FOR_ADD_APPROVAL'
}

/** Whether two say the same, to the letter. */
export function sameDraft(one: EndEntityDraft, other: EndEntityDraft): boolean {
  return textOf(one) === textOf(other)
}

function textOf({ subject, names, email, extensionData }: EndEntityDraft): string {
  return JSON.stringify([subject, names ?? '', email ?? '', extensionData.map(({ name, value }) => [name, value])])
}
