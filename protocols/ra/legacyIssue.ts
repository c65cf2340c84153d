import { z } from 'zod'
import type { OrderOutcome } from '../../src/core/enrolment/enrolment.ts'
import { withTables } from '../../src/db/tables.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { readRequest } from './certificateRequest.ts'
import { ChangedMeanwhile, change, type EndEntity, type EndEntityPlace, findEndEntity, record } from './endEntity.ts'
import { attributesOf, wantedOf } from './endEntityDraft.ts'
import { certifiedKeys } from './endEntityKeys.ts'
import { usable } from './endEntityStatus.ts'
import { wishesOf } from './issue.ts'
import { operation } from './operation.ts'
import type { RaTables } from './tables.ts'
import { text } from './text.ts'
import { cannot, V1_PLACE, V1_TAG, v1Place } from './v1Place.ts'

export const legacyIssue = operation({
  method: 'post',
  path: `${V1_PLACE}/certificate/issue`,
  tag: V1_TAG,
  summary:
    'Orders a certificate with the password of an end entity, and waits for nothing: while people have to approve it is 400, and the same call succeeds later.',
  body: z.object({ username: text(200).min(1), password: z.string().max(1000), pkcs10: z.string() }),
  answer: z.object({ certificateData: z.string() }),
  async run(call) {
    const place = await v1Place(call)
    await place.door.enrolment.require(place.profile, 'create_cert')
    const csr = readRequest(call.body.pkcs10, 'pkcs10')
    const outcome = await orderOf(place, call.body, csr)
    return { body: { certificateData: await certificateOf(place, outcome) } }
  },
})

interface Shown {
  username: string
  password: string
}

/** The order that this password and this key made, now or before. Of several keys at once one is the first; the others read what it did. */
async function orderOf(place: EndEntityPlace, { username, password }: Shown, csr: Csr): Promise<OrderOutcome> {
  const { door, profile } = place
  let checked: string | undefined
  for (let tries = 0; tries < 5; tries++) {
    const found = await findEndEntity(place, username)
    if (!found || checked !== found.passwordHash) {
      const name = username.normalize('NFC')
      if (!(await door.enrolment.matches({ profile, name }, found?.passwordHash, password)) || !found)
        throw cannot('the username or the password is wrong')
      checked = found.passwordHash
    }
    const ref = `end-entity ${found.uuid} ${found.round} ${csr.publicKey.spkiHash}`
    if (found.order?.ref === ref) return found.order.outcome
    if (!usable.has(found.status)) throw cannot(whyNot(found))
    if (found.recovering && !(await certifiedKeys(place, found)).has(csr.publicKey.spkiHash))
      throw cannot('with KEY_RECOVERY this password orders for a key that had a certificate by it, and for no other')
    // What another key ordered before, and came to nothing, is not to be tried again beside this.
    if (found.order) await door.answered(found.order.outcome.uuid)
    try {
      return await order(place, found, { csr, ref })
    } catch (error) {
      if (!(error instanceof ChangedMeanwhile)) throw error
    }
  }
  throw new ChangedMeanwhile()
}

function whyNot({ status }: EndEntity): string {
  switch (status) {
    case 'IN_PROCESS':
      return 'an order with this password and another key waits for approval'
    case 'GENERATED':
    case 'REVOKED':
      return 'this password was used: ask for it to be reset, or for the status NEW'
    case 'WAITING_FOR_ADD_APPROVAL':
      return 'this end entity waits for approval: ask somebody who has approve, and neither added nor changed it, to set it to NEW'
    default:
      return `this password orders nothing in the status ${status}: ask for the status NEW`
  }
}

/** By the ordinary road: policy, rules, people. Whoever made or changed the end entity is behind it, beside who calls. */
async function order(
  place: EndEntityPlace,
  found: EndEntity,
  { csr, ref }: { csr: Csr; ref: string },
): Promise<OrderOutcome> {
  const { host, profile, requester } = place
  const people = [...new Set([...requester.people, ...found.people])]
  const door = host.core.as({ ...requester, people })
  const wishes = wishesOf({ host, door }, profile, attributesOf(profile, found))
  const { subject, identifiers } = wantedOf(door, wishes.profile, found)
  const { request } = await door.sign(
    {
      ...wishes,
      protocol: 'ra',
      action: 'issue',
      origin: { protocol: 'ra', ref },
      once: true,
      csr,
      subject,
      requestedSubject: subject,
      identifiers,
      refusal: 'store',
    },
    async (db) => {
      await change(db, { host, requester: { ...requester, people: [] } }, found, { order_ref: ref })
      await withTables<RaTables>(db)
        .insertInto('ra_end_entity_orders')
        .values({ end_entity_id: found.id, ref, created_at: host.clock().getTime() })
        .execute()
      await record(db, place, { change: 'changed', id: found.id, details: { username: found.username, used: true } })
    },
  )
  const { id, uuid, status, reason } = request
  return { id, uuid, status, ...(reason === undefined ? {} : { reason }) }
}

/** Base64 of DER. Throws what v1 answers while there is none, or none any more. */
async function certificateOf({ door }: EndEntityPlace, { id, status, reason }: OrderOutcome): Promise<string> {
  switch (status) {
    case 'draft':
    case 'requested':
      throw cannot('this order waits for approval: the same call succeeds when it is approved')
    case 'signing':
      throw cannot('this order is being signed: send the same call again later')
    case 'denied':
    case 'expired':
    case 'canceled':
    case 'failed':
      throw cannot(`no certificate was issued: ${reason ?? status}`)
    case 'signed': {
      const certificate = await door.findCertificate({ id })
      if (!certificate) throw cannot('the certificate is gone')
      if (certificate.status === 'revoked') throw cannot('the certificate of this order was revoked')
      return certificate.der.toString('base64')
    }
  }
}
