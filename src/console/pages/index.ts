import type { Route } from '../page.ts'
import { accountPages } from './account.tsx'
import { alertPages } from './alertList.tsx'
import { auditPages } from './audit.tsx'
import { authorityPages } from './authority.tsx'
import { authorityListPages } from './authorityList.tsx'
import { certificatePages } from './certificates.ts'
import { discoveryPages } from './discovery.tsx'
import { enrolmentPages } from './enrolment.tsx'
import { orderAgainPages } from './orderAgain.ts'
import { orderDetailPages } from './orderDetail.tsx'
import { orderListPages } from './orderList.tsx'
import { overviewPages } from './overview.tsx'
import { peoplePages } from './people.tsx'
import { profilePages } from './profile.tsx'
import { profileEditPages } from './profileEdit.tsx'
import { profileListPages } from './profileList.tsx'
import { profileTryPages } from './profileTry.tsx'
import { requestActionPages } from './requestActions.tsx'
import { requestBulkPages } from './requestBulk.tsx'
import { requestDetailPages } from './requestDetail.tsx'
import { requestListPages } from './requestList.tsx'
import { tokenPages } from './tokens.tsx'
import { userPages } from './user.tsx'
import { webhookPages } from './webhooks.tsx'

/** Every page and action of the console for those who have signed in. */
export const pages: readonly Route[] = [
  ...certificatePages,
  ...overviewPages,
  ...requestListPages,
  ...requestBulkPages,
  ...requestDetailPages,
  ...requestActionPages,
  ...orderListPages,
  ...orderDetailPages,
  ...orderAgainPages,
  ...alertPages,
  ...authorityListPages,
  ...authorityPages,
  ...profileListPages,
  ...profilePages,
  ...profileTryPages,
  ...profileEditPages,
  ...enrolmentPages,
  ...auditPages,
  ...webhookPages,
  ...discoveryPages,
  ...accountPages,
  ...tokenPages,
  ...peoplePages,
  ...userPages,
]
