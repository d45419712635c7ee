//! Joins: which rows of both sides are of one part, and what no two rows of the result have alike.

use std::collections::BTreeSet;

use datafusion::common::{Column, DFSchema, JoinType, NullEquality};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Join, LogicalPlan, Operator};

use super::known::{Ids, Known, Relation, Sides};
use super::place;
use super::walk::Walk;
use crate::contract::diagnostic::Code;

impl Walk<'_> {
    /// The rows of a join, whose sides have to be joined on each `recompute` column.
    pub(super) fn join(&mut self, join: &Join) -> Relation {
        let (left, right) = (self.relation(&join.left), self.relation(&join.right));
        let pairs = self.equated(join, &left, &right);
        let mut mixed = false;
        for (number, name) in self.recompute.iter().enumerate() {
            // Where nulls are equal, one that stands for a row that is not there would be taken for a value.
            let equates = |pair: &Equated| {
                if pair.nulls_too {
                    left.shows(&pair.left, number) && right.shows(&pair.right, number)
                } else {
                    left.may_show(&pair.left, number) && right.may_show(&pair.right, number)
                }
            };
            if !pairs.iter().any(equates) {
                mixed = true;
                self.mixing_join(join, number, name, &left, &right);
            }
        }
        let mut relation = joined(join.join_type, left, right, &pairs);
        if join.join_type == JoinType::LeftMark || join.join_type == JoinType::RightMark {
            relation.columns.push(self.unknown());
        }
        relation.is_mixed |= mixed;
        relation
    }

    fn mixing_join(&mut self, join: &Join, number: usize, name: &str, left: &Relation, right: &Relation) {
        let named = |relation: &Relation, plan: &LogicalPlan| {
            let shown = relation
                .columns
                .iter()
                .position(|column| relation.shows(column, number));
            shown.and_then(|index| plan.schema().columns().get(index).map(Column::flat_name))
        };
        let help = match (named(left, &join.left), named(right, &join.right)) {
            (Some(left), Some(right)) => {
                format!("join on ({left} IS NOT DISTINCT FROM {right}), too, with the parentheses")
            }
            _ => format!("both sides must give {name} as it is, and be joined on it"),
        };
        let message = format!("JOIN mixes rows of different {name:?}, a recompute column");
        let columns: Vec<&Expr> = join
            .on
            .iter()
            .flat_map(|(left, right)| [left, right])
            .chain(&join.filter)
            .collect();
        let at = place(columns.into_iter().flat_map(Expr::column_refs), &join.right);
        self.add(Code::SqlNotLocal, message, &help, at);
    }

    /// What a join demands to be equal of a row of one side and a row of the other.
    fn equated(&mut self, join: &Join, left: &Relation, right: &Relation) -> Vec<Equated> {
        let nulls_too = join.null_equality == NullEquality::NullEqualsNull;
        let mut pairs: Vec<(&Expr, &Expr, bool)> = join
            .on
            .iter()
            .map(|(one, other)| (one, other, nulls_too))
            .collect();
        for condition in join.filter.iter().flat_map(split_conjunction) {
            match condition {
                Expr::BinaryExpr(BinaryExpr {
                    left,
                    op: Operator::Eq,
                    right,
                }) => pairs.push((left, right, false)),
                Expr::BinaryExpr(BinaryExpr {
                    left,
                    op: Operator::IsNotDistinctFrom,
                    right,
                }) => {
                    pairs.push((left, right, true));
                }
                _ => {}
            }
        }
        let (of_left, of_right) = (join.left.schema(), join.right.schema());
        let all_in = |expr: &Expr, schema: &DFSchema| {
            let columns = expr.column_refs();
            !columns.is_empty()
                && columns
                    .into_iter()
                    .all(|column| schema.is_column_from_schema(column))
        };
        let mut equated = Vec::new();
        for (one, other, nulls_too) in pairs {
            let (on_left, on_right) = if all_in(one, of_left) && all_in(other, of_right) {
                (one, other)
            } else if all_in(other, of_left) && all_in(one, of_right) {
                (other, one)
            } else {
                continue;
            };
            equated.push(Equated {
                left: self.known(on_left, of_left, left),
                right: self.known(on_right, of_right, right),
                nulls_too,
                is_float: on_left.get_type(of_left).is_ok_and(|ty| ty.is_floating()),
            });
        }
        equated
    }
}

/// Two values of the sides of a join that are equal in rows that it puts together.
struct Equated {
    left: Known,
    right: Known,
    /// Whether two nulls are equal.
    nulls_too: bool,
    /// Whether equal values can differ, as zeros do.
    is_float: bool,
}

/// The rows that a join gives.
fn joined(kind: JoinType, mut left: Relation, mut right: Relation, pairs: &[Equated]) -> Relation {
    let exact = || pairs.iter().filter(|pair| !pair.is_float);
    let left_ids: BTreeSet<usize> = exact().map(|pair| pair.left.id).collect();
    let right_ids: BTreeSet<usize> = exact().map(|pair| pair.right.id).collect();
    let only_one = |relation: &Relation, ids: &Ids| relation.keys.iter().any(|key| key.is_subset(ids));
    // Where a row finds at most one of the other side, its own key is enough.
    let (of_left, of_right) = (left.keys.clone(), right.keys.clone());
    let one_right = only_one(&right, &right_ids);
    let one_left = only_one(&left, &left_ids);
    match kind {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            left.is_mixed |= right.is_mixed;
            return left;
        }
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            right.is_mixed |= left.is_mixed;
            return right;
        }
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {}
    }
    let (of_both, of_other) = (left.present.clone(), right.present.clone());
    let mut both = left.beside(right);
    if one_right && matches!(kind, JoinType::Inner | JoinType::Left) {
        both.keys.extend(of_left);
    }
    if one_left && matches!(kind, JoinType::Inner | JoinType::Right) {
        both.keys.extend(of_right);
    }
    match kind {
        JoinType::Left => both.present = of_both,
        JoinType::Right => both.present = of_other,
        JoinType::Full => {
            let either = |one: &Sides| {
                let pairs = of_other
                    .iter()
                    .map(move |other| one.union(other).copied().collect());
                pairs.collect::<Vec<Sides>>()
            };
            both.present = of_both.iter().flat_map(either).collect();
        }
        _ => {
            for pair in exact() {
                both.equate(pair.right.id, pair.left.id);
            }
        }
    }
    both
}
