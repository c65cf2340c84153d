import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { holdRequest } from '../request/held.ts'
import type { RequestRef } from '../request/request.ts'
import { mayRead } from '../request/requestDetail.ts'
import type { Requester } from '../requester.ts'
import { findAsked } from './asked.ts'
import { type Registration, registrationOf } from './registration.ts'

/** See Door.registration. */
export async function readRegistration(
  it: Installation,
  requester: Requester,
  ref: RequestRef,
): Promise<Registration | undefined> {
  const held = await holdRequest(it.db, 'sign', ref, false)
  if (held.kind !== 'sign' || !(await mayRead(it, requester, held)))
    throw new Failure('notFound', 'there is no such request')
  return registrationOf(held.request, await findAsked(it.db, held.request.id), it.clock())
}
