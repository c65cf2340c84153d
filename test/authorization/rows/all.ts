import type { Rows } from '../row.ts'
import { aboutRows } from './about.ts'
import { administrationRows } from './administration.ts'
import { approvalProfileRows } from './approvalProfiles.ts'
import { authorityRows } from './authorities.ts'
import { decisionRows } from './decisions.ts'
import { discoveryRows } from './discovery.ts'
import { enrolmentRows } from './enrolment.ts'
import { identityRows } from './identities.ts'
import { inventoryRows } from './inventory.ts'
import { keystoreRows } from './keys.ts'
import { orderRows } from './orders.ts'
import { placeRows } from './places.ts'
import { profileRows } from './profiles.ts'
import { protocolProfileRows } from './protocolProfiles.ts'

/** What is expected of every operation of the API; one that is missing here fails test/protocols/authorization.test.ts. */
export const rows: Rows = {
  ...aboutRows,
  ...orderRows,
  ...inventoryRows,
  ...decisionRows,
  ...identityRows,
  ...authorityRows,
  ...enrolmentRows,
  ...profileRows,
  ...protocolProfileRows,
  ...approvalProfileRows,
  ...placeRows,
  ...discoveryRows,
  ...administrationRows,
  ...keystoreRows,
}
