"""A flow of a project, in the branch of whoever deploys it."""

from metaflow import FlowSpec, current, project, step


@project(name="bridge_tests")
class ProjectFlow(FlowSpec):
    """Keeps what its steps are told of project and branch."""

    @step
    def start(self):
        self.told = (
            current.project_name,
            current.branch_name,
            current.project_flow_name,
            current.is_user_branch,
            current.is_production,
        )
        self.next(self.end)

    @step
    def end(self):
        self.same = self.told[:3] == (current.project_name, current.branch_name, current.project_flow_name)


if __name__ == "__main__":
    ProjectFlow()
