import type { Command } from 'commander'
import { action } from '../cli.ts'
import * as operations from '../operations/audit.ts'
import { visible } from '../visible.ts'

/** Whether the records are what happened. */
export function define(audit: Command): void {
  action(
    audit.command('verify').description('prove the chain of audit events, and that no state changed without one'),
    async (cli) => {
      const report = await cli.call(operations.verify, {})
      const { sealed, unsealed, problems } = report
      const lines = [
        `${sealed} events are sealed in the chain, ${unsealed} wait to be sealed`,
        ...problems.map((problem) => `WRONG  ${visible(problem)}`),
      ]
      if (problems.length === 0) lines.push('the chain and the records agree')
      cli.show(report, `${lines.join('\n')}\n`)
      if (problems.length > 0) cli.fail()
    },
  )
}
