/** One sync of one family: read, compare, write what differs. */
import { type Backend, BackendError, type SyncPlan } from "../backends/backend.ts";
import type { Ruleset } from "../rules/ruleset.ts";

/** How a sync ended. */
export type SyncResult =
  | { readonly outcome: "unchanged"; readonly plan: SyncPlan }
  | { readonly outcome: "applied"; readonly plan: SyncPlan }
  | { readonly outcome: "failed"; readonly error: BackendError };

/**
 * Makes the kernel what `ruleset` says; writes nothing where it already is. Never throws for a tool that fails.
 *
 * @param mayBeFresh Whether to try first whether nothing of ours stands, which costs one more process where it does.
 */
export async function reconcile(backend: Backend, ruleset: Ruleset, mayBeFresh = false): Promise<SyncResult> {
  try {
    const installed = mayBeFresh ? await backend.install?.(ruleset) : undefined;
    if (installed !== undefined) return { outcome: "applied", plan: installed };
    const plan = await backend.plan(ruleset);
    if (plan.drift.length === 0) return { outcome: "unchanged", plan };
    await backend.apply(plan);
    return { outcome: "applied", plan };
  } catch (error) {
    if (error instanceof BackendError) return { outcome: "failed", error };
    throw error;
  }
}
