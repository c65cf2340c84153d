import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { Unprocessable } from './errors.ts'
import { operation } from './operation.ts'

const TAG = 'Protocol profiles'

export const CMP_REFUSED = 'CMP is not spoken here: use ACME, SCEP or EST'

/** There are none: CMP is not spoken. */
export const cmpProfileOperations = [
  operation({
    method: 'get',
    path: '/v1/cmpProfiles',
    tag: TAG,
    summary: 'Always empty: CMP is not spoken.',
    answer: z.array(z.unknown()),
    run: async () => ({ body: [] }),
  }),
  operation({
    method: 'post',
    path: '/v1/cmpProfiles',
    tag: TAG,
    summary: 'Always 422: CMP is not spoken.',
    async run() {
      throw new Unprocessable([CMP_REFUSED])
    },
  }),
  ...(['get', 'put', 'delete'] as const).map((method) =>
    operation({
      method,
      path: '/v1/cmpProfiles/{uuid}',
      tag: TAG,
      summary: 'Always 404: CMP is not spoken.',
      async run() {
        throw new Failure('notFound', `there is no such CMP profile: ${CMP_REFUSED}`)
      },
    }),
  ),
]
