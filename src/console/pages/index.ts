import type { Route } from '../page.ts'
import { certificatePages } from './certificates.ts'
import { accountPages } from './account.tsx'
import { overviewPages } from './overview.tsx'
import { peoplePages } from './people.tsx'
import { requestListPages } from './requestList.tsx'
import { tokenPages } from './tokens.tsx'
import { userPages } from './user.tsx'

/** Every page and action of the console for those who have signed in. */
export const pages: readonly Route[] = [...certificatePages, 
  ...overviewPages,
  ...requestListPages,
  ...accountPages,
  ...tokenPages,
  ...peoplePages,
  ...userPages,
]
