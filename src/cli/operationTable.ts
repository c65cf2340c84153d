import type { Operation } from './operation.ts'
import * as alert from './operations/alert.ts'
import * as approval from './operations/approval.ts'
import * as audit from './operations/audit.ts'
import * as authority from './operations/authority.ts'
import * as backup from './operations/backup.ts'
import * as certificate from './operations/certificate.ts'
import * as challenge from './operations/challenge.ts'
import * as cmc from './operations/cmc.ts'
import * as cmp from './operations/cmp.ts'
import * as configuration from './operations/configuration.ts'
import * as delegation from './operations/delegation.ts'
import * as discovery from './operations/discovery.ts'
import * as doctor from './operations/doctor.ts'
import * as eab from './operations/eab.ts'
import * as exportKey from './operations/exportKey.ts'
import * as group from './operations/group.ts'
import * as kek from './operations/kek.ts'
import * as key from './operations/key.ts'
import * as keySecret from './operations/keySecret.ts'
import * as limit from './operations/limit.ts'
import * as organization from './operations/organization.ts'
import * as profile from './operations/profile.ts'
import * as renewal from './operations/renewal.ts'
import * as request from './operations/request.ts'
import * as rollover from './operations/rollover.ts'
import * as standingApproval from './operations/standingApproval.ts'
import * as token from './operations/token.ts'
import * as user from './operations/user.ts'
import * as webhook from './operations/webhook.ts'

const nouns: Record<string, Operation>[] = [
  alert,
  approval,
  audit,
  authority,
  backup,
  certificate,
  challenge,
  cmc,
  cmp,
  configuration,
  delegation,
  discovery,
  doctor,
  limit,
  eab,
  exportKey,
  group,
  kek,
  key,
  keySecret,
  organization,
  profile,
  renewal,
  request,
  rollover,
  standingApproval,
  token,
  user,
  webhook,
].map((noun) => ({ ...noun }))

/** Every operation by the name that its URL ends with. */
export const operationTable: ReadonlyMap<string, Operation> = new Map(
  nouns.flatMap((noun) => Object.values(noun)).map((operation) => [operation.name, operation]),
)
