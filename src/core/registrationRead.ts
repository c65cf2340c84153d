import { findAsked } from './asked.ts'
import { Failure } from './failure.ts'
import { holdRequest } from './held.ts'
import type { Installation } from './installation.ts'
import { type Registration, registrationOf } from './registration.ts'
import type { RequestRef } from './request.ts'
import { mayRead } from './requestDetail.ts'
import type { Requester } from './requester.ts'

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
