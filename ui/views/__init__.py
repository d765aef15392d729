"""The pages, one `render()` each. Not called pages/, which Streamlit would pick up."""
