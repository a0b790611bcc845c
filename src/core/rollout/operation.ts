/** What a person may do to a deployment. `promote` skips waiting (this step, or all), never readiness. */
export type Operation =
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'promote'; readonly to: 'next' | 'all' }
  | { readonly kind: 'abort' }
  | { readonly kind: 'rollback' }
  | { readonly kind: 'retry' }
  | { readonly kind: 'approve' };

export type OperationKind = Operation['kind'];
