import type { Command } from 'commander'
import { action } from '../cli.ts'
import * as operations from '../operations/audit.ts'
import { visible } from '../visible.ts'

/** Whether the records are what happened. */
export function define(audit: Command): void {
  action(
    audit
      .command('verify')
      .description('prove the chain of audit events, and that nothing changed without one')
      .option('--head <position:hash>', 'also that this head, printed or logged before, is still in the chain'),
    async (cli, { head }: { head?: string }) => {
      const report = await cli.call(operations.verify, head === undefined ? {} : { head })
      const { sealed, unsealed, problems } = report
      const lines = [
        `${sealed} events are sealed in the chain, ${unsealed} wait to be sealed`,
        `head ${report.head.position}:${report.head.hash}`,
        ...problems.map((problem) => `WRONG  ${visible(problem)}`),
      ]
      if (problems.length === 0) lines.push('the chain and the records agree')
      cli.show(report, `${lines.join('\n')}\n`)
      if (problems.length > 0) cli.fail()
    },
  )
}
